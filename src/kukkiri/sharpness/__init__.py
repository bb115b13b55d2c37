"""How sharp?"""

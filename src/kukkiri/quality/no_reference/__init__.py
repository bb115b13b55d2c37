"""How good, by itself?"""

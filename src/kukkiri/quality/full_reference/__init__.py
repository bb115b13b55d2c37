"""How near to the reference?"""

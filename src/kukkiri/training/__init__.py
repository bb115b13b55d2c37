"""The recipes that made the weights we ship, and the one loop that runs them all.

`recipe.Recipe` is what a recipe must say; `recipes` is the table of those there are; `loop.train` runs one.
"""

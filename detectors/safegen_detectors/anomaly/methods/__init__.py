"""The methods, what they share, and the fusion of their statistics into one score.

They import `reference` only; fitting, scoring and `explain` may import them, a method by its name.
"""

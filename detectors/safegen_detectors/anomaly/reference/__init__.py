"""What real scans look like: samples, grids, features, and their statistics on the template.

It imports nothing from the other packages of the check; all of them may import it.
"""

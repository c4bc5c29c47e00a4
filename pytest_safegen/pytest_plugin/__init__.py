"""The gate within one pytest run: settings, collection, execution, the verdict at the end.

Imports every other room; only `plugin` and `cli` import it.
"""

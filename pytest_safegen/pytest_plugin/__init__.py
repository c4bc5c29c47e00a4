"""The gate as a pytest plug-in: what a run judges, collection, execution, the final verdict.

Imports every other room but `cli`; only `plugin` imports it.
"""

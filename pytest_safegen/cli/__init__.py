"""The `safegen` command, a module a command.

Imports what its commands need, inside functions.
"""

"""The `safegen` command: `main`, and a module for each of its commands.

A module has `add`, which declares the command's arguments. What is heavy is imported when a command
runs, so that `safegen --help` is quick.
"""

"""Settings, hook specifications, and the installed plug-ins.

Imports `core`; `options` imports nothing of ours, since every pytest run loads it.
"""

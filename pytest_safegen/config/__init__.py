"""Every setting once, the hook specifications, and the plug-ins that are installed.

Imports `core`; `options` imports nothing, for every pytest run loads it.
"""

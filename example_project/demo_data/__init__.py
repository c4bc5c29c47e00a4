"""Brain scans for the demonstration, made from the MNI152 T1 template.

The way of the data: `template` -> `brain` (one patient's anatomy, then a scan of it) ->
`lesions`, `artefacts`, `copies` (what may be planted) -> `files` -> `plan` (what is made).
"""

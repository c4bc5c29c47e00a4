"""Attribution maps that show why a torch module gives a volume a high score, for any module.

Nothing here knows the checks; the anomaly check is its one user so far.

In every file `score_of` is a module that takes float32 (n, c, i, j, k) and gives (n, 1), higher is
worse; `volume` is one of its inputs (c, i, j, k), and `baseline` (c, i, j, k) the most normal
value at each place, such as the mean of real scans: zeros are themselves a fault (a hole).
"""

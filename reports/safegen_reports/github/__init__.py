"""What GitHub shows of a run: job summary, annotations, outputs, SARIF, and a comment."""

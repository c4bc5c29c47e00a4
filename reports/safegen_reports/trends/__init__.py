"""The page of trends: each number over the versions, with intervals and the gate's decisions."""

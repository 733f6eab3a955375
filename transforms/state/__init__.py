"""The state of a log: its events by bucket, to which each day is added, so that no run reads all of them again."""

"""Offline evaluation: the split of the log, ranked lists, metrics, the bootstrap."""

"""Benchmarks of list evaluation and of the search for signal in new features."""

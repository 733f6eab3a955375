"""Benchmarks of the whole graph and of its parts before training."""

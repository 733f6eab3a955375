"""Benchmarks of neighbours, towers, search and what candidates are found with."""

"""Benchmarks of the stages that find candidates: neighbours, towers and search."""

"""Benchmarks of the ranker: cost of training and scoring, and variants of it."""

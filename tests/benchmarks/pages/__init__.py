"""Benchmarks of page assembly and measures of pages."""

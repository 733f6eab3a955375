"""Baselines of an evaluation."""

"""Candidate generation: sources, their union, and the blend that ranks it first."""

"""Attacks on runs and commands at work: python -m tests.attacks."""

"""Skips: examples of plays with the session before them, and the model of their chances."""

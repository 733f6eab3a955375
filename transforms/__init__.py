"""Stages (verbs) and what stages share (nouns)."""

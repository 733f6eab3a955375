"""Shelves: their declarations, texts and value."""

"""Composition of pages: candidates and shelves in, shelves at positions with tracks out."""

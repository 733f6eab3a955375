"""Embeddings of users and tracks: training sequences, the two towers, exact search."""

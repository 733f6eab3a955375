"""Recommenders of the next track that counts make, for evaluations: plays as arrays in, scores of all tracks out."""

"""Training and scoring of the ranker."""

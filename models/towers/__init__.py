"""The two towers: embedding tables, user tower, training."""

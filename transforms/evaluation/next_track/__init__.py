"""Evaluation of the next track: plays to predict, their ranks by every system, and sums over users."""

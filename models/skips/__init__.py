"""Chances of a skip and of a completion: gradient boosting; arrays in, probabilities out."""

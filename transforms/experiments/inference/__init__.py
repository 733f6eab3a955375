"""Inference of experiments: estimates from sums, sequential bounds, sample ratio, power and the decision."""

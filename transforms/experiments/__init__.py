"""Experiments: readouts of A/B tests, and the values of policies that were never shown."""

"""Inputs and plan of a run: files, rules, artifacts of earlier runs."""

"""Listening events: cleaning, erasure, order, impressions, and what counts as a listen."""

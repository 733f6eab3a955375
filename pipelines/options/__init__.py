"""Command-line flags."""

"""homeshelf check: published pages checked against events, catalog and rules."""

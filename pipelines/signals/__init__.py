"""homeshelf signal: offline tests of new signals."""

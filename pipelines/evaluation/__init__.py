"""homeshelf evaluate and compare: tuning, measuring, reporting."""

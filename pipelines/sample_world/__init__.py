"""homeshelf sample: the synthetic service."""

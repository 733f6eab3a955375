"""Documentation and template metadata rendered from the code."""

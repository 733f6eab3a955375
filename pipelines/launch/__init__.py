"""homeshelf run: starting a run, following it, summarising it."""

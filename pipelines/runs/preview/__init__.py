"""homeshelf preview: published pages and queues as one HTML page."""

"""homeshelf evaluate --task=next_track."""

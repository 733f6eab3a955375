"""The graphs and the commands of homeshelf."""

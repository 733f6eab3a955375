"""homeshelf why: pages replayed and scores taken apart."""

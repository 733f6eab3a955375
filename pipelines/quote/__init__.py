"""homeshelf quote: what a run of another size would cost, from the stages of runs that were measured."""

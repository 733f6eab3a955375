"""homeshelf replay: the value of a target policy on logged impressions."""

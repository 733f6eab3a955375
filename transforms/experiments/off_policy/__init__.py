"""Off-policy evaluation: the value of another policy on logged impressions."""

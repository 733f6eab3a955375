"""The commands homeshelf experiment and assign: plan an A/B test, assign its users, and read it out."""

"""Tables of an experiment: assignments and exposures, user days, and the sums that a readout is made of."""

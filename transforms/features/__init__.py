"""Features and rewards: candidates with features, labelled examples, the fit of the blend."""

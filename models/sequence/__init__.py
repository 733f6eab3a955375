"""The sequence model: a causal transformer over plays whose answer is mixed of catalogue, own tracks and successors."""

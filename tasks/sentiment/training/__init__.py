"""Fit of the linear classifier, word vectors for the embedding, and the baselines."""

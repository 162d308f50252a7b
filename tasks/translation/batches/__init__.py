"""Pairs of texts to tensors: subwords, and batches of sources and targets."""

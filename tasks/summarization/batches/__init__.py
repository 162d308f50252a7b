"""Documents to batches of tensors: ROUGE, oracle labels, tokens."""

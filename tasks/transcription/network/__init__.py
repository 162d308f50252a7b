"""The network, from samples to log-probabilities of tokens."""

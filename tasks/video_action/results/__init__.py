"""Contact sheets and probabilities over time."""

"""Linear baselines of text classification."""

"""Loss, metrics and baselines."""

"""Losses, metrics and baselines."""

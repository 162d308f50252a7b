"""Losses, metrics and baselines of forecasts."""

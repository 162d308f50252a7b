"""Losses, metrics, baselines, and the ridge regression of the linear skip."""

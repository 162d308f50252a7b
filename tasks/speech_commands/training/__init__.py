"""Metrics over speakers, and linear baselines."""

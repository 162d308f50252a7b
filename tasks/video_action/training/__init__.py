"""Metrics over videos and groups, and linear baselines."""

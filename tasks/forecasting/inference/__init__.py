"""Forecasts, streams and exports of a trained model."""

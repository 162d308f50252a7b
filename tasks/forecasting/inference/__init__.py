"""Forecasts of a trained model, its streams and its export."""

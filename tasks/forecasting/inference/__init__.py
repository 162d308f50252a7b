"""Forecasts of a trained model, their figures, streams and exports."""

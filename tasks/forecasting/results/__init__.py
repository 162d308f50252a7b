"""Figures of forecasts, and the model card's text."""

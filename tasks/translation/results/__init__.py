"""Plots of a trained model, and the summary of a data set."""

"""Plots of long recordings."""

"""Embedded data: rendered figures in motion."""

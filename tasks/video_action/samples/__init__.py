"""The embedded data: rendered figures in motion."""

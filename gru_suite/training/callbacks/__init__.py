"""Callbacks of a training: progress on the screen, metrics of each epoch."""

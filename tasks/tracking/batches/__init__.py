"""Batches of frames and boxes."""

"""Recordings to batches of clips: data set, augmentation, noise."""

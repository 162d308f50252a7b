"""Videos to batches of clips: sampling, augmentation, frozen features."""

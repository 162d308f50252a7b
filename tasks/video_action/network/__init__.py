"""Frame encoders, of our own and of torchvision."""

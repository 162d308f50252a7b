"""Layers of the model: spectral features and convolutional front end."""

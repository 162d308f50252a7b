"""Layers of the recogniser: spectral features and convolutions."""

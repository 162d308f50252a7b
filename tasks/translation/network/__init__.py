"""Layers of the translation model: encoder, attention and decoder."""

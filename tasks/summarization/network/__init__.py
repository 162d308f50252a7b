"""Layers: sentence vectors, features of sentences, scores."""

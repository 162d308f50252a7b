"""Streams and exports of a trained model."""

"""Inputs, annotation, streams and exports of a trained model."""

"""Inputs, timelines, streams and exports of a trained model."""

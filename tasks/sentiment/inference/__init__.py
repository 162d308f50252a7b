"""Streams, exports and token attributions of a trained model."""

"""Decoding, streams, exports and alignments of a trained model."""

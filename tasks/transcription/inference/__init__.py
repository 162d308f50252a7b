"""A trained model's use: decoding, streams, export."""

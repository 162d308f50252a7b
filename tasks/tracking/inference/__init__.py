"""A trained model's use: tracks, streams, export, annotated videos."""

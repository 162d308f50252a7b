"""A model's use over a network: inputs from JSON and files, predictions as JSON, streams, gates."""

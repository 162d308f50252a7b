"""The model and its use, without a trainer: predictions, streams, exports, checkpoints."""

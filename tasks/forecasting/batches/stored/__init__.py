"""Schema, windows and batches of series that are in memory-mapped columns."""

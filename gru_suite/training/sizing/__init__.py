"""What of a training follows from its data: its length, and sizes at which cells are compared."""

"""Action recognition in video clips."""

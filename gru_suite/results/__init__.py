"""What a run leaves: run folder, results table, model card."""

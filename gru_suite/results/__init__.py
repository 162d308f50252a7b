"""Results of a run: run folder, results table, model card."""

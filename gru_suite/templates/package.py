"""The task gesture for GRU Suite."""

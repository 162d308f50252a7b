"""Summary of a data set."""

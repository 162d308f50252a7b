"""Summary of a data set, plots."""

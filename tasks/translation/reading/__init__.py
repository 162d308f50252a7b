"""Pairs of texts from tables, line-aligned files and published layouts; sources to predict."""

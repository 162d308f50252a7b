"""Labelled texts from tables, folders and published layouts; splits."""

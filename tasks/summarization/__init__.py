"""Extractive summarisation: the sentences of a document that a reader would keep."""

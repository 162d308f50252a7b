"""Sentiment of texts, and any other labels that texts can have."""

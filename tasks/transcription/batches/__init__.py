"""Batches of recordings with their transcripts."""

"""Recordings with transcripts from tables and corpora."""

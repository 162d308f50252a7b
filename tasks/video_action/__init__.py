"""Spoken commands, and any other classification of recordings."""

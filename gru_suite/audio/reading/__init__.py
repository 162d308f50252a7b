"""Decoding of sound files."""

"""Sequences that arrive in chunks, with the state carried between them."""

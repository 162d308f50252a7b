"""Layers of the text classifier: token encoder, hashed linear classifier, and the whole network."""

"""Layers of the text classifier: token encoder, hashed linear classifier, word vectors."""

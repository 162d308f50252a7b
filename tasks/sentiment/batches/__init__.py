"""Texts to token numbers: tokenizer, character n-grams, pieces of long texts."""

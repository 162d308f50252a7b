"""Texts to token ids: tokenizer, character n-grams, chunks of long texts."""

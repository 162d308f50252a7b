"""Classification of texts: sentiment, or any other labels.

A text becomes tokens, and tokens become ids: with character n-grams, a row of ids each. Labelled
texts come in parts (train, val, test), which become data sets of encoded texts.
"""

"""Translation, and any other task whose input and output are texts.

A pair has a source and its target. Pairs come in parts (train, val, test), which become data sets
of encoded pairs.
"""

"""Layers of the model: normalization, segment encoder, decoders, quantile head, linear skip."""

"""Layers of the forecaster: normalization, segment encoder, decoders, linear skip."""

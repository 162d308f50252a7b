"""Recurrences: torch's own, layer by layer, and those that ``torch.nn`` does not give."""

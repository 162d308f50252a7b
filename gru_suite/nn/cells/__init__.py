"""Recurrent cells: those of ``torch.nn``, layer by layer, relu GRU and minGRU."""

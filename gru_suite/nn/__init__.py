"""The recurrence, in torch alone: backbone, cells, pooling, weights."""

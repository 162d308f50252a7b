"""Checkpoints in other formats (ONNX, ``torch.export``), compared with the model when written."""

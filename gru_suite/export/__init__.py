"""A checkpoint in other formats (ONNX, ``torch.export``, safetensors), checked as it is made."""

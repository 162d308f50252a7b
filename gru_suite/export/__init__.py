"""A checkpoint in other formats: ONNX, ``torch.export`` and safetensors, each one checked."""

"""A checkpoint in other formats: ONNX, ``torch.export`` and safetensors, each checked as it is made."""

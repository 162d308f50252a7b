"""ONNX files: written by torch, run by onnxruntime, with 32 or 8 bits a weight."""

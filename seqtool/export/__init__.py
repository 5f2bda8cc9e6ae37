"""Writes a trained model for other programs: ONNX, float16, int8."""

"""A finished run as a folder for others: weights, ONNX, a model card, and all that predictions need."""

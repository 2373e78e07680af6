"""Networks, from frames to logits. torch only."""

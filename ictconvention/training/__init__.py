"""One run from options to result: pre-train, fine-tune, test."""

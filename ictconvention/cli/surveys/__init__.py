"""Commands that make, check, draw and split surveys."""

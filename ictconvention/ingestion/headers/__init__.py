"""What the header of an image means: when and where it was exposed, in which band, and what a count is worth."""

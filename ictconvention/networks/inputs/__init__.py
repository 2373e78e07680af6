"""What networks take: a kind of input a file, from a ragged batch and from padded arrays of raw flux."""

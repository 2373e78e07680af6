"""Forms of the consistency and of the labels beside the paper's: each in a file of its own, with its equation."""

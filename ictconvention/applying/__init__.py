"""A finished run at work: predictions of other surveys, early ones, and the network as a file of its own."""

"""Which finished runs teach a network, and that they have seen nothing that is to be tested."""

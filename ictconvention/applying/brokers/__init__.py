"""A finished run within a broker: a module of science for Fink, and the client of exported models that it brings."""

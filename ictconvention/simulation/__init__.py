"""Simulated surveys, drawn from the statistics of the real one; needs the extra `simulation`."""

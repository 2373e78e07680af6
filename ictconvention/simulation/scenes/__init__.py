"""Simulated chips of land seen from above, in four bands, with a mask of the class of every pixel."""

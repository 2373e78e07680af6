"""What is measured from a survey's pixels: fluxes, scales per band, and the audit of a whole survey."""

"""Rubin alerts: their records, their cutouts, rotated north up, and the photometry of other times."""

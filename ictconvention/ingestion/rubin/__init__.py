"""Rubin alerts: their records, their cutouts, rotated north up, and their photometry."""

"""Redshifts as PDFs over bins: points and intervals of them, and how right they are."""

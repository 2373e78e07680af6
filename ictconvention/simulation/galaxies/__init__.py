"""Galaxies of one night, a frame per band, with redshifts; the painter is that of `sdss`."""

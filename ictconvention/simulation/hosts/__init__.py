"""Pictures of galaxies, some with a supernova: one night in i, r and g, with the sky and the camera of `sdss`."""

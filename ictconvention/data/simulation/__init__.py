"""A simulated SDSS-II supernova survey, drawn from the statistics of the real one; needs the extra `simulation`."""

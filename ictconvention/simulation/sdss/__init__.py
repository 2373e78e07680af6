"""A supernova survey as SDSS-II made one: who is there, how bright, when observed, and the stamps of it."""

"""Learn the redshift of each object, as a PDF over bins."""

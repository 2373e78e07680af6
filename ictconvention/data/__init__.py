"""What the sky gave, at rest and in motion: the survey store, splits, views and batches. Knows no model."""

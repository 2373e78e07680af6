"""Predictions in, numbers and pictures out. Knows no model."""

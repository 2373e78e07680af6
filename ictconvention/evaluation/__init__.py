"""Predictions in, numbers out. Knows no network and draws nothing."""

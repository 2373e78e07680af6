"""Figures of masks and of shares: known and estimated ones, confusion of pixels, the course of training."""

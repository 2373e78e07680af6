"""Masks of chips, the class of each pixel: their file, their checks, and how many pixels each class has."""

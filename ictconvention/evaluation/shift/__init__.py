"""Answers to a shift between the objects that train and those to be predicted. Knows no network and no run."""

"""Masks while a run trains and when it ends: those that a learner estimates, and their pictures."""

"""Tests of the masks of a survey."""

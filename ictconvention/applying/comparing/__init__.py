"""Whether a survey is like the one that a run knows."""

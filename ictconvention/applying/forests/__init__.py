"""The forest beside a run: how it is trained and kept, and how it predicts with the network or alone."""

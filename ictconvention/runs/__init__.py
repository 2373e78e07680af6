"""The folder of a run, the product itself: what it holds, and how a finished one is read and trusted."""

"""Real light curves, fitted and painted into simulated stamps."""

"""How right masks and shares of classes are: divergence of shares, confusion of pixels, intersection over union."""

"""Published runs: weights in safetensors, and where a run is that is named by a hub or ships with the package."""

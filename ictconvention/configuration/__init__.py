"""What a run may be told: options with their ranges, composed by Hydra, mistakes in words. Imports nothing heavy."""

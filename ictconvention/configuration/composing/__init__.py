"""What Hydra composes: the folders of choices, the size of a sweep, what choices leave open, its errors in words."""

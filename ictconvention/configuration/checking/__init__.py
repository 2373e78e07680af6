"""A composed configuration, checked: every key, type and range, or the first mistake in words."""

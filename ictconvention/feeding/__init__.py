"""From a survey to batches of views on a device: which object, which frames, turned how. Knows no network."""

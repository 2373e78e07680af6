"""From the options of a run to its parts: survey, split and data, learner, and the hash of them all."""

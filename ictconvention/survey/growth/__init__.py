"""A survey that grows: its states, the nights that were added, and how frames of one object in several shards join."""

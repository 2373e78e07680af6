"""Calls that the workers of a cluster make in place of processes of this machine."""

"""A forest that is kept: what it sees of an object, its trees as arrays, its calibration."""

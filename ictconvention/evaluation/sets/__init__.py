"""Sets of classes that hold the class of a known share of each class's objects."""

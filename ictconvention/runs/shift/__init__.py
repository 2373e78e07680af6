"""What a run does about a shift: between the objects that have a redshift, and those that are to be predicted."""

"""Chips of scenes and their masks: rasters, georeference, values of masks, pairs, and what all chips must share."""

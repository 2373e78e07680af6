"""Masks of land cover: of the chips of a survey, and of scenes of any size, with their files."""

"""Sections of a page of runs that learned masks, which need the runs themselves."""

"""Doors: every JSON, Parquet or array file is opened here, as a plain file, and its types are checked once."""

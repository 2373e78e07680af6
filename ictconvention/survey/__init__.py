"""The store at rest: the format of a survey, reader and writer, bands, neighbours and splits. Knows no network."""

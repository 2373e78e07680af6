"""A sweep compared: the table, the sentences and the page."""

"""A night is added to a survey: what is known of its objects, what tables say anew, and the night as it is written."""

"""What a finished run makes of objects and of another survey, drawn."""

"""The command that searches for better options."""

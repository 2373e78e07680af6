"""From what a reader finds to a survey: checked, sorted, fitted to the stamp, written, and what was left out named."""

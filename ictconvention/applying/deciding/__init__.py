"""From predictions to decisions: sets of classes with a guarantee, and which objects to follow up."""

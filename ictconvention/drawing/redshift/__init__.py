"""The pictures of predicted redshifts."""

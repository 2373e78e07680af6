"""Readers that make a survey of what telescopes and brokers give: stamps, CCD images, TAO files, ZTF alerts."""

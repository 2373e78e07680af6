"""A reader for each kind of images that people have: stamps, CCD images, TAO files, ZTF alerts."""

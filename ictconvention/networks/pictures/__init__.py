"""Networks of pictures: all frames of an object as the bands of one image. Their weights may come from a file."""

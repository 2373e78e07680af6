"""Learn the class of each pixel of a picture, and the shares of the classes in it."""

"""Networks that give each pixel of a picture a class: an encoder, a decoder, and what they share."""

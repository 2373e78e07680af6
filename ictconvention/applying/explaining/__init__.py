"""Why a network decided as it did: in a picture, and over the epochs of a series."""

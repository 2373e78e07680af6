"""The frames of a whole source in bounded memory: they wait on the disk, and come in shares of whole objects."""

"""SDSS frames of Stripe 82: objects, the fields that show them, the archive's files, and the stamps cut from them."""

"""How networks learn: losses, target networks, training steps."""

"""Keras layers and pure functions; they know nothing of data or training."""

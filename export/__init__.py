"""A trained run as a SavedModel that answers over TF Serving, with nothing of this package installed."""

"""Functions of `layers/` and `models/`, faster; each module names what it equals."""

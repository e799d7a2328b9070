"""Instruments that look inside of a trained network: each an array, a table and a picture."""

"""Measures this program: how fast, in how much memory, and next to the authors' own."""

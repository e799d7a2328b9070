"""Whole models: layers wired into a stack machine."""

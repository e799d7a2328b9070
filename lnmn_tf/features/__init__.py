"""Frozen features of networks that were trained on ImageNet: weights, networks, extraction."""

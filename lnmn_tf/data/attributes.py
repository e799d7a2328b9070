"""CLEVR's attributes of an object, and the values that each of them takes."""

from __future__ import annotations

# In the order in which CLEVR's programs filter and its questions name them.
ATTRIBUTES = {
    "size": ("large", "small"),
    "color": ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
    "material": ("rubber", "metal"),
    "shape": ("cube", "sphere", "cylinder"),
}

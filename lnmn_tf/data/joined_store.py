"""Images of several folders or feature files as one store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.errors import InputError


class JoinedStore(ImageStore):
    """The images of several stores of one kind, one store after another.

    Args:
        stores: at least one; all of one key, shape, type and (for features) identity.
        sources: a name for each, for messages.

    Raises:
        InputError: two stores differ.
    """

    def __init__(self, stores: Sequence[ImageStore], sources: Sequence[str]):
        first = stores[0]
        for store, source in zip(stores, sources):
            for name in ("key", "shape", "dtype", "identity"):
                found, wanted = getattr(store, name, ""), getattr(first, name, "")
                if found != wanted:
                    raise InputError(
                        f"{source}: its {name} is {found}, but that of {sources[0]} is {wanted}; expected "
                        "the same, for both are trained on together"
                    )
        self.key = first.key  # type: ignore[misc]  # a class's own elsewhere
        self.shape, self.dtype = first.shape, first.dtype
        self.identity = getattr(first, "identity", "")
        self.in_memory = all(store.in_memory for store in stores)
        self._stores = tuple(stores)
        self._starts = np.cumsum([0, *map(len, stores)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices`, [n, H, W, C]."""
        indices = np.asarray(indices)
        images = np.empty([len(indices), *self.shape], self.dtype)
        for store, start, end in zip(self._stores, self._starts, self._starts[1:]):
            own = (start <= indices) & (indices < end)
            if own.any():
                images[own] = store.read(indices[own] - start)
        return images

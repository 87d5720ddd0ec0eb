"""The cache of a compiled model: its arrays, and where they lie."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Shaped

from ..checks import check_rewind

Array = np.ndarray


class Cache:
    """Keys and values in the first `length` slots, laid out as in `cached`. What lies behind is not looked at.

    float32, or bf16 as its bits. `places` are the addresses of keys, values and padding, and the number of texts.
    """

    # No dataclass: to replace a field of one takes longer than a part of a step.
    def __init__(
        self,
        keys: Shaped[Array, "layers batch kv_heads head_size"],
        values: Shaped[Array, "layers batch kv_heads head_size"],
        padding: Int[Array, " batch"],
    ) -> None:
        self.keys, self.values, self.padding, self.length = keys, values, padding, 0
        self.batch = len(padding)
        self.places = (*(array.ctypes.data for array in (keys, values, padding)), self.batch)
        self._least = int(padding.max())

    def rewind(self, length: int) -> Cache:
        """The cache as it was at `length` positions; ValueError if it never was."""
        if not self._least <= length <= self.length:
            check_rewind(length, self)
        return self.at(length)

    def at(self, length: int) -> Cache:
        """The same arrays, filled up to there."""
        other = Cache.__new__(Cache)
        other.__dict__.update(self.__dict__)
        other.length = length
        return other

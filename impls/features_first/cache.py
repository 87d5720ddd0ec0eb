"""The cache of the models that lie features first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from ..cached_model import CacheOfSlots
from .arrays import empty

Array = np.ndarray
# Finite, so that a slot of padding, which sees no other, gets an average of padding and no NaN.
HIDDEN = -1e30


@dataclass(frozen=True, eq=False)
class Cache(CacheOfSlots):
    """Keys and values, for each layer.

    `hidden` is added to the scores of the slots that are padding in any row; None if none is.
    """

    keys_values: Float32[Array, "layers 2 batch kv_heads context head_dim"]
    hidden: Float32[Array, "batch 1 most_padding 1"] | None

    @classmethod
    def empty(cls, config: Any, padding: Int32[Array, " batch"]) -> Cache:
        keys_values = empty(config.layers, 2, len(padding), config.kv_heads, config.context, config.head_dim)
        slots = np.arange(padding.max())
        hidden = np.where(slots < padding[:, None], np.float32(HIDDEN), np.float32(0))[:, None, :, None]
        return cls(keys_values, hidden if slots.size else None, padding=padding)

    def positions(self, seq: int) -> slice | Int32[Array, "batch seq"]:
        """The positions of the next `seq` slots: a slice where they are those of every row. In padding they are 0."""
        if self.hidden is None:
            return slice(self.length, self.length + seq)
        slots = np.arange(self.length, self.length + seq, dtype=np.int32)
        return np.maximum(slots - self.padding[:, None], 0)

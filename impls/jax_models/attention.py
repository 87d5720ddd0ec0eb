"""Attention to a cache that is written in place, and what the cache is stored in."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Float32, Int8

from ..jax_quantisation import quantised_groups
from .products import summed
from .state import Slots

# One axis for batch and heads: with an axis of its own for a batch of 1, XLA on a CPU copies the cache at every step.
Vectors = Float[Array, "batch_kv_heads context head_dim"]
# Fewer slots than this are read as quickly as it is found out how many there are.
SHORTEST = 256
Quantised = tuple[Int8[Array, "batch_kv_heads context head_dim"], Float32[Array, "batch_kv_heads context"]]


class Storage(Protocol):
    """What keys or values are stored in: arrays of which each has the context as its second axis."""

    def empty(self, shape: tuple[int, ...]) -> Any: ...
    def stored(self, new: Vectors) -> Any: ...
    def read(self, stored: Any) -> Vectors: ...


class Plain(NamedTuple):
    """Stored in a dtype, by name."""

    dtype: str

    def empty(self, shape: tuple[int, ...]) -> Vectors:
        return jnp.zeros(shape, self.dtype)

    def stored(self, new: Vectors) -> Vectors:
        return new.astype(self.dtype)

    def read(self, stored: Vectors) -> Vectors:
        return stored


class Bytes(NamedTuple):
    """Stored in signed bytes, with a scale for each vector of a head: `quantisation` says how."""

    def empty(self, shape: tuple[int, ...]) -> Quantised:
        return jnp.zeros(shape, jnp.int8), jnp.zeros(shape[:-1], jnp.float32)

    def stored(self, new: Vectors) -> Quantised:
        return quantised_groups(new)

    def read(self, stored: Quantised) -> Vectors:
        numbers, scales = stored
        return numbers.astype(jnp.float32) * scales[..., None]


def written(cache: Any, new: Any, slot: Array, axis: int = 1) -> Any:
    """A cache with what is stored for some slots, from `slot` on."""
    return jax.tree.map(lambda array, part: lax.dynamic_update_slice_in_dim(array, part, slot, axis), cache, new)


def attend(
    q: Float[Array, "batch heads seq head_dim"],
    k: Float[Array, "batch kv_heads seq head_dim"],
    v: Float[Array, "batch kv_heads seq head_dim"],
    cache: Any,
    slots: Slots,
    storage: Storage,
    fresh: bool,
) -> tuple[Float[Array, "batch seq queries"], Any]:
    """The values of the slots so far, mixed; and the layer's cache with the new ones.

    `fresh`: there are none before them, so that the cache need not be read.
    """
    (batch, heads, seq, head_dim), kv_heads = q.shape, k.shape[1]
    # All queries of a key head in one axis: with two, XLA on a CPU takes four times as long.
    q = q.reshape(batch * kv_heads, -1, head_dim)
    new = [part.reshape(batch * kv_heads, seq, head_dim) for part in (k, v)]
    cache = written(cache, tuple(map(storage.stored, new)), slots.taken[0])
    if fresh:
        mixed = mixed_values(q, *new, slots)
    else:
        sizes = spans(jax.tree.leaves(cache)[0].shape[1])
        # The shortest one that holds all slots taken: what lies behind them is read for nothing.
        index = jnp.searchsorted(jnp.array(sizes, jnp.int32), slots.taken[-1] + jnp.int32(1))
        mixed = lax.switch(index, [partial(_mixed_of, size, storage) for size in sizes], q, cache, slots)
    return mixed.reshape(batch, heads, seq, head_dim).swapaxes(1, 2).reshape(batch, seq, -1), cache


def spans(context: int) -> list[int]:
    """How many slots attention may read: 256, twice as many and so on, and all."""
    return [size for size in (SHORTEST << power for power in range(context.bit_length())) if size < context] + [context]


def _mixed_of(size: int, storage: Storage, q: Vectors, cache: Any, slots: Slots) -> Vectors:
    keys, values = (storage.read(part) for part in jax.tree.map(lambda array: array[:, :size], cache))
    return mixed_values(q, keys, values, slots)


def mixed_values(q: Vectors, keys: Vectors, values: Vectors, slots: Slots) -> Vectors:
    """Softmax attention; the queries of the heads that share a key lie behind each other in one axis."""
    scores = summed("nqd,nsd->nqs", q.astype(keys.dtype), keys) * np.float32(q.shape[-1] ** -0.5)
    batch, seq = len(slots.padding), len(slots.taken)
    # As many axes as it takes for a mask that is the same for all heads.
    apart = (batch, len(q) // batch, q.shape[1] // seq, seq, -1)
    seen = slots.seen(keys.shape[1])[:, None, None]
    scores = jnp.where(seen, scores.reshape(apart), -jnp.inf).reshape(scores.shape)
    return summed("nqs,nsd->nqd", jax.nn.softmax(scores, axis=-1).astype(values.dtype), values)

"""What a model in JAX keeps between steps: on the device the state, and beside it what the host must know unasked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from ..cached_model import CacheOfSlots


class State(NamedTuple):
    """What lies on the device. The program that takes what is kept consumes it, so that it is written in place.

    kept:    keys and values of all layers; or the tokens themselves, where nothing is kept of what was computed.
    length:  slots filled.
    padding: how many of each row's first slots hold none of its text.
    invalid: each row's first slot with an id that is no token, or `context`: from there on its logits are NaN, until
             the slot is rewound.
    """

    kept: Any
    length: Int[Array, ""]
    padding: Int[Array, " batch"]
    invalid: Int[Array, " batch"]

    @property
    def apart(self) -> State:
        """All but what is kept."""
        return self._replace(kept=())


@dataclass(frozen=True, eq=False)
class Cache(CacheOfSlots):
    """A state, if there is one yet, and what the host knows of it without waiting for the device."""

    state: State | None

    def at(self, length: int) -> Cache:
        assert self.state is not None
        on_device = number(length, self.state.length.sharding)
        return replace(self, state=self.state._replace(length=on_device), length=length)


@cache
def number(value: int, sharding: Any) -> Int[Array, ""]:
    """On a device, and kept there: to send it again takes a CPU a twentieth of a step of a small model."""
    return jax.device_put(np.int32(value), sharding)


class Slots(NamedTuple):
    """Where the tokens of a step go: one slot for each, the same in all rows."""

    taken: Int[Array, " seq"]
    padding: Int[Array, " batch"]

    @property
    def positions(self) -> Int[Array, "batch seq"]:
        """In the text of each row; 0 in padding, whatever is computed for it."""
        return jnp.maximum(self.taken - self.padding[:, None], 0)

    def seen(self, count: int) -> Array:
        """Which of `count` slots a query sees, `[batch, seq, count]`: none later, padding only from within padding."""
        keys, queries, padding = jnp.arange(count, dtype=jnp.int32), self.taken[:, None], self.padding[:, None, None]
        return (keys <= queries) & ((keys >= padding) | (queries < padding))


def begun(kept: Any, padding: Int[Array, " batch"], context: int) -> State:
    """The state before the first token."""
    return State(kept, jnp.int32(0), padding, jnp.full(padding.shape, context, jnp.int32))


def looked_at(
    tokens: Int[Array, "batch seq"], state: State, context: int, vocab_size: int
) -> tuple[Int[Array, "batch seq"], Slots, Int[Array, " batch"]]:
    """Ids that can be looked up, the slots that they take, and the state's `invalid` after them.

    JAX would take an id that is no token for the nearest one that is, unseen.
    """
    tokens = tokens.astype(jnp.int32)
    slots = Slots(state.length + jnp.arange(tokens.shape[1], dtype=jnp.int32), state.padding)
    known = jnp.where(state.invalid < state.length, state.invalid, context)
    allowed = jnp.clip(tokens, 0, vocab_size - 1)
    found = jnp.where(allowed == tokens, context, slots.taken).min(axis=1)
    return allowed, slots, jnp.minimum(known, found)


def marked(x: Array, invalid: Int[Array, " batch"], context: int) -> Array:
    """NaN in the rows that have come to an id that is no token."""
    return jnp.where(invalid[:, None] < context, jnp.nan, x)

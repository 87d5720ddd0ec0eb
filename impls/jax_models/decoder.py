"""What the programs know of a model: its parts, each a function of its weights, whatever the order they run in."""

from __future__ import annotations

from typing import Any, Protocol

import jax
from jaxtyping import Array, Float, Int

from ..parts import ATTENTION, FEED_FORWARD
from .attention import Storage, attend
from .state import Slots

Hidden = Float[Array, "batch seq dim"]
Heads = Float[Array, "batch heads seq head_dim"]


class Decoder(Protocol):
    """An architecture with its sizes, and what its cache is stored in. Compared by value: programs are kept by it.

    Between the parts all is float32, whatever the weights are: what is added up is not rounded at each of them.
    """

    config: Any
    storage: Storage

    def embedded(self, weights: Any, tokens: Int[Array, "batch seq"], slots: Slots) -> Hidden: ...

    def angles(self, weights: Any, slots: Slots) -> Any:
        """What attention wants to know of positions, the same for all layers."""

    def projected(self, layer: Any, x: Hidden, angles: Any) -> tuple[Heads, Heads, Heads]:
        """Queries, keys and values."""

    def output(self, layer: Any, mixed: Hidden) -> Hidden: ...
    def feed_forward(self, layer: Any, x: Hidden) -> Hidden: ...
    def logits(self, weights: Any, last: Float[Array, "batch dim"]) -> Float[Array, "batch vocab_size"]: ...


def empty_cache(decoder: Decoder, batch: int) -> Any:
    """Keys and values of a layer."""
    config = decoder.config
    shape = (batch * config.kv_heads, config.context, config.head_dim)
    return decoder.storage.empty(shape), decoder.storage.empty(shape)


def attended(
    decoder: Decoder, layer: Any, x: Hidden, cache: Any, slots: Slots, angles: Any, fresh: bool
) -> tuple[Hidden, Any]:
    """The first half of a layer."""
    with jax.named_scope(ATTENTION):
        mixed, cache = attend(*decoder.projected(layer, x, angles), cache, slots, decoder.storage, fresh)
        return x + decoder.output(layer, mixed), cache


def fed_forward(decoder: Decoder, layer: Any, x: Hidden) -> Hidden:
    """The second half of a layer."""
    with jax.named_scope(FEED_FORWARD):
        return x + decoder.feed_forward(layer, x)

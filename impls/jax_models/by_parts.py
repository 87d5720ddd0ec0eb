"""A step as a Python loop over the layers, each of two programs that all layers share, with the cache donated.

There is little to compile, and the parts can be timed apart; but each program that is started costs the host some
microseconds.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..parts import ATTENTION, EMBEDDING, FEED_FORWARD, HEAD, LAYERS, part
from .decoder import Decoder, Hidden, attended, empty_cache, fed_forward
from .model import Model, Stepped
from .state import Slots, State, begun, looked_at, marked

static_decoder = partial(jax.jit, static_argnames="decoder")


class ByParts(Model):
    def __init__(self, decoder: Decoder, weights: Any) -> None:
        super().__init__(decoder, weights)
        # What only the first and the last part read: each array that a program is given takes time.
        self.outer = weights._replace(layers=())

    def _begin(self, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"]) -> Stepped:
        return self._run(tokens, begin(padding, decoder=self.decoder), fresh=True)

    def _advance(self, tokens: Int[Array, "batch ..."], state: State) -> Stepped:
        return self._run(tokens, state, fresh=False)

    def _run(self, tokens: Int[Array, "batch ..."], state: State, fresh: bool) -> Stepped:
        x, angles, slots, length, invalid = embed(self.outer, tokens, state.apart, decoder=self.decoder)
        x, kept = self._run_layers(x, state.kept, slots, angles, fresh)
        logits = head(self.outer, x, invalid, decoder=self.decoder)
        return logits, State(kept, length, state.padding, invalid)

    @part(LAYERS)
    def _run_layers(
        self, x: Hidden, kept: tuple[Any, ...], slots: Slots, angles: Any, fresh: bool
    ) -> tuple[Hidden, tuple[Any, ...]]:
        caches = []
        for layer, cache in zip(self.weights.layers, kept, strict=True):
            x, cache = attention(layer, x, cache, slots, angles, decoder=self.decoder, fresh=fresh)
            x = feed_forward(layer, x, decoder=self.decoder)
            caches.append(cache)
        return x, tuple(caches)


@static_decoder
def begin(padding: Int[Array, " batch"], *, decoder: Decoder) -> State:
    empty = tuple(empty_cache(decoder, len(padding)) for _ in range(decoder.config.layers))
    return begun(empty, padding, decoder.config.context)


@part(EMBEDDING)
@static_decoder
def embed(
    outer: Any, tokens: Int[Array, "batch ..."], state: State, *, decoder: Decoder
) -> tuple[Hidden, Any, Slots, Int[Array, ""], Int[Array, " batch"]]:
    """Activations, what attention wants to know of positions, the slots taken, and the state's length and `invalid`."""
    tokens = tokens.reshape(tokens.shape[0], -1)
    tokens, slots, invalid = looked_at(tokens, state, decoder.config.context, decoder.config.vocab_size)
    x, angles = decoder.embedded(outer, tokens, slots), decoder.angles(outer, slots)
    return x, angles, slots, slots.taken[-1] + jnp.int32(1), invalid


@part(ATTENTION)
@partial(jax.jit, static_argnames=("decoder", "fresh"), donate_argnames=("x", "cache"))
def attention(
    layer: Any, x: Hidden, cache: Any, slots: Slots, angles: Any, *, decoder: Decoder, fresh: bool
) -> tuple[Hidden, Any]:
    return attended(decoder, layer, x, cache, slots, angles, fresh)


@part(FEED_FORWARD)
@partial(jax.jit, static_argnames="decoder", donate_argnames="x")
def feed_forward(layer: Any, x: Hidden, *, decoder: Decoder) -> Hidden:
    return fed_forward(decoder, layer, x)


@part(HEAD)
@static_decoder
def head(outer: Any, x: Hidden, invalid: Int[Array, " batch"], *, decoder: Decoder) -> Float[Array, "batch vocab_size"]:
    return decoder.logits(outer, marked(x[:, -1], invalid, decoder.config.context))

"""A step as one program, layers unrolled and the cache donated. A prompt is one for each shape, and one to continue."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from ..parts import EMBEDDING, HEAD, LAYERS
from .decoder import Decoder, attended, empty_cache, fed_forward
from .model import Model, Stepped
from .state import State, begun, looked_at, marked


class Unrolled(Model):
    """XLA sees all layers at once, and lays each weight and each layer's cache out as an array of its own."""

    def _begin(self, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"]) -> Stepped:
        return begin(self.weights, tokens, padding, decoder=self.decoder)

    def _advance(self, tokens: Int[Array, "batch ..."], state: State) -> Stepped:
        return advance(self.weights, tokens, state.kept, state.apart, decoder=self.decoder)


@partial(jax.jit, static_argnames="decoder")
def begin(weights: Any, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"], *, decoder: Decoder) -> Stepped:
    return begun_step(weights, tokens, padding, decoder)


@partial(jax.jit, static_argnames="decoder", donate_argnames="kept")
def advance(weights: Any, tokens: Int[Array, "batch ..."], kept: Any, state: State, *, decoder: Decoder) -> Stepped:
    state = state._replace(kept=kept)
    return step(weights, tokens.reshape(tokens.shape[0], -1), state, decoder)


def begun_step(
    weights: Any, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"], decoder: Decoder
) -> Stepped:
    """A prompt from slot 0: the cache is made here, and attention need not read it."""
    empty = tuple(empty_cache(decoder, len(tokens)) for _ in weights.layers)
    return step(weights, tokens, begun(empty, padding, decoder.config.context), decoder, fresh=True)


def step(weights: Any, tokens: Int[Array, "batch seq"], state: State, decoder: Decoder, fresh: bool = False) -> Stepped:
    context = decoder.config.context
    tokens, slots, invalid = looked_at(tokens, state, context, decoder.config.vocab_size)
    with jax.named_scope(EMBEDDING):
        x, angles = decoder.embedded(weights, tokens, slots), decoder.angles(weights, slots)
    kept = []
    with jax.named_scope(LAYERS):
        for layer, cache in zip(weights.layers, state.kept, strict=True):
            x, cache = attended(decoder, layer, x, cache, slots, angles, fresh)
            x = fed_forward(decoder, layer, x)
            kept.append(cache)
    with jax.named_scope(HEAD):
        logits = decoder.logits(weights, marked(x[:, -1], invalid, context))
    return logits, State(tuple(kept), slots.taken[-1] + jnp.int32(1), state.padding, invalid)

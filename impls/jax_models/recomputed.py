"""A model without a cache, the baseline of having one: each token computes the whole text again, in one program.

The text is kept in an array as long as the context and computed at that length, whatever there is of it, since a shape
that grew would be compiled anew for every token.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from ..parts import EMBEDDING, HEAD, LAYERS
from .decoder import Decoder, attended, empty_cache, fed_forward
from .model import Model, Stepped
from .state import State, begun, looked_at, marked


class Recomputed(Model):
    def _begin(self, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"]) -> Stepped:
        return self._advance(tokens, begin(padding, context=self.config.context))

    def _advance(self, tokens: Int[Array, "batch ..."], state: State) -> Stepped:
        return recompute(self.weights, write(tokens, state.kept, state.apart), decoder=self.decoder)


@partial(jax.jit, static_argnames="context")
def begin(padding: Int[Array, " batch"], *, context: int) -> State:
    return begun(jnp.zeros((len(padding), context), jnp.int32), padding, context)


@partial(jax.jit, donate_argnames="text")
def write(tokens: Int[Array, "batch ..."], text: Int[Array, "batch context"], state: State) -> State:
    tokens = tokens.reshape(len(tokens), -1).astype(jnp.int32)
    kept = lax.dynamic_update_slice_in_dim(text, tokens, state.length, axis=1)
    return state._replace(kept=kept, length=state.length + tokens.shape[1])


@partial(jax.jit, static_argnames="decoder", donate_argnames="state")
def recompute(weights: Any, state: State, *, decoder: Decoder) -> Stepped:
    config = decoder.config
    # What lies behind the text is looked at by none of its positions.
    whole = begun((), state.padding, config.context)
    tokens, slots, invalid = looked_at(state.kept, whole, config.context, config.vocab_size)
    with jax.named_scope(EMBEDDING):
        x, angles = decoder.embedded(weights, tokens, slots), decoder.angles(weights, slots)
    with jax.named_scope(LAYERS):
        for layer in weights.layers:
            # The keys and values of all positions are at hand, and those written to a cache are dropped by XLA.
            x, _ = attended(decoder, layer, x, empty_cache(decoder, len(tokens)), slots, angles, fresh=True)
            x = fed_forward(decoder, layer, x)
    with jax.named_scope(HEAD):
        last = lax.dynamic_index_in_dim(x, state.length - 1, axis=1, keepdims=False)
        invalid = jnp.where(invalid < state.length, invalid, config.context)
        logits = decoder.logits(weights, marked(last, invalid, config.context))
    return logits, state

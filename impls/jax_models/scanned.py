"""A step as one program in which `lax.scan` runs over the layers: their weights are stacked, and the cache is donated.

Compiles in the time of one layer, however many there are. On a CPU it is slower than the layers unrolled: what the loop
takes of the stacks is copied before it is multiplied.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from ..parts import EMBEDDING, HEAD, LAYERS
from .attention import written
from .decoder import Decoder, Hidden, attended, empty_cache, fed_forward
from .model import Model, Stepped
from .state import State, begun, looked_at, marked


class Scanned(Model):
    def __init__(self, decoder: Decoder, weights: Any) -> None:
        stacked = jax.tree.map(lambda *layers: jnp.stack(layers), *weights.layers)
        super().__init__(decoder, weights._replace(layers=stacked))

    def _begin(self, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"]) -> Stepped:
        return begin(self.weights, tokens, padding, decoder=self.decoder)

    def _advance(self, tokens: Int[Array, "batch ..."], state: State) -> Stepped:
        return advance(self.weights, tokens, state.kept, state.apart, decoder=self.decoder)


@partial(jax.jit, static_argnames="decoder")
def begin(weights: Any, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"], *, decoder: Decoder) -> Stepped:
    layers, layer = decoder.config.layers, empty_cache(decoder, len(tokens))
    empty = jax.tree.map(lambda array: jnp.zeros((layers, *array.shape), array.dtype), layer)
    return _step(weights, tokens, begun(empty, padding, decoder.config.context), decoder, fresh=True)


@partial(jax.jit, static_argnames="decoder", donate_argnames="kept")
def advance(weights: Any, tokens: Int[Array, "batch ..."], kept: Any, state: State, *, decoder: Decoder) -> Stepped:
    state = state._replace(kept=kept)
    return _step(weights, tokens.reshape(tokens.shape[0], -1), state, decoder, fresh=False)


def _step(weights: Any, tokens: Int[Array, "batch seq"], state: State, decoder: Decoder, fresh: bool) -> Stepped:
    config = decoder.config
    tokens, slots, invalid = looked_at(tokens, state, config.context, config.vocab_size)
    with jax.named_scope(EMBEDDING):
        x, angles = decoder.embedded(weights, tokens, slots), decoder.angles(weights, slots)

    def layer_of(x: Hidden, each: Any) -> tuple[Hidden, Any]:
        layer, cache = each
        x, cache = attended(decoder, layer, x, cache, slots, angles, fresh)
        new = jax.tree.map(lambda array: lax.dynamic_slice_in_dim(array, state.length, tokens.shape[1], axis=1), cache)
        return fed_forward(decoder, layer, x), new

    with jax.named_scope(LAYERS):
        # The loop only reads the cache, and what is new is written behind it: where it writes to the cache as it goes,
        # be it carried or scanned over, XLA keeps a second one.
        x, new = lax.scan(layer_of, x, (weights.layers, state.kept))
        kept = written(state.kept, new, state.length, axis=2)
    with jax.named_scope(HEAD):
        logits = decoder.logits(weights, marked(x[:, -1], invalid, config.context))
    return logits, State(kept, slots.taken[-1] + jnp.int32(1), state.padding, invalid)

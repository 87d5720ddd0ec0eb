"""The part of a model in JAX that runs on the host: it checks, places tokens on the device, and starts programs."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from ..cached_model import CachedModel
from ..checks import checked_token
from .decoder import Decoder
from .state import Cache, State

Stepped = tuple[Float[Array, "batch vocab_size"], State]


class Model(CachedModel):
    """Weights on their device, and the decoder that says what is computed with them."""

    unread = jax.Array

    def __init__(self, decoder: Decoder, weights: Any) -> None:
        self.decoder, self.weights, self.config = decoder, weights, decoder.config
        self._sharding = jax.tree.leaves(weights)[0].sharding

    @abstractmethod
    def _begin(self, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"]) -> Stepped:
        """A prompt from slot 0."""

    @abstractmethod
    def _advance(self, tokens: Int[Array, "batch ..."], state: State) -> Stepped:
        """One token a row, or several, behind a state, which is consumed. There must be room: JAX clamps unseen."""

    def _empty_cache(self, padding: Int[np.ndarray, " batch"]) -> Cache:
        # The program of a prompt makes the state, and need not be given one to read.
        return Cache(None, padding=padding)

    def decode(self, token: Int[Any, " batch"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits after one more token a row, which takes slot `cache.length`; and the cache with it."""
        # As it is: to give it another axis would be a program of its own.
        return self._step(checked_token(token, self.config, cache, self.unread), cache)

    def _step(self, tokens: Int[Any, "batch ..."], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        placed, count = self._placed(tokens), math.prod(tokens.shape[1:])
        if cache.state is None:
            logits, state = self._begin(placed, self._placed(cache.padding))
        else:
            logits, state = self._advance(placed, cache.state)
        return logits, replace(cache, state=state, length=cache.length + count)

    def _placed(self, tokens: Any) -> Array:
        return tokens if isinstance(tokens, jax.Array) else jax.device_put(tokens, self._sharding)

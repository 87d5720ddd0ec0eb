"""The part of a model in JAX that runs on the host: it checks, places tokens on the device, and starts programs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import jax
from jaxtyping import Array, Float, Int

from ..checks import checked_padding, checked_prompt, checked_token
from .decoder import Decoder
from .state import Cache, State

Stepped = tuple[Float[Array, "batch vocab_size"], State]


class Model(ABC):
    """Weights on their device, and the decoder that says what is computed with them."""

    def __init__(self, decoder: Decoder, weights: Any) -> None:
        self.decoder, self.weights, self.config = decoder, weights, decoder.config
        self._sharding = jax.tree.leaves(weights)[0].sharding

    @abstractmethod
    def _begin(self, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"]) -> Stepped:
        """A prompt from slot 0."""

    @abstractmethod
    def _advance(self, tokens: Int[Array, "batch ..."], state: State) -> Stepped:
        """One token a row, or several, behind a state, which is consumed. There must be room: JAX clamps unseen."""

    def prefill(
        self,
        tokens: Int[Any, "batch tokens"],
        cache: Cache | None = None,
        *,
        padding: Int[Any, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits of the last position of a prompt, or of what continues the text in `cache`; and the filled cache.

        `padding` is how many of the first ids of each row are none of its prompt; they may be any tokens.
        """
        tokens = checked_prompt(tokens, self.config, cache, unread=jax.Array)
        padding = checked_padding(padding, tokens, cache)
        if cache is not None:
            return self._continued(tokens, cache, tokens.shape[1])
        logits, state = self._begin(self._placed(tokens), self._placed(padding))
        return logits, Cache(state, tokens.shape[1], padding)

    def decode(self, token: Int[Any, " batch"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits after one more token a row, which takes slot `cache.length`; and the cache with it."""
        return self._continued(checked_token(token, self.config, cache, unread=jax.Array), cache, 1)

    def _continued(self, tokens: Any, cache: Cache, count: int) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        logits, state = self._advance(self._placed(tokens), cache.state)
        return logits, Cache(state, cache.length + count, cache.padding)

    def _placed(self, tokens: Any) -> Array:
        return tokens if isinstance(tokens, jax.Array) else jax.device_put(tokens, self._sharding)

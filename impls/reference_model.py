"""What the references of all models share: a cache in two arrays, and the checks around a run of the layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from .checks import check_rewind, checked_prompt, checked_token

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Cache:
    """Keys and values of the first `length` positions, for each layer. What lies behind them is not looked at."""

    keys: Float[Array, "layers batch context kv_heads head_dim"]
    values: Float[Array, "layers batch context kv_heads head_dim"]
    length: int = 0

    @property
    def batch(self) -> int:
        return self.keys.shape[1]

    def rewind(self, length: int) -> Cache:
        """The cache as it was at `length` positions; ValueError if it never was."""
        check_rewind(length, self)
        return replace(self, length=length)


class ReferenceModel(ABC):
    """A decoder by its configuration and its embedding, whose dtype is that of all it computes."""

    def __init__(self, config: Any, embedding: Float[Array, "vocab_size dim"]) -> None:
        self.config, self.embedding = config, embedding

    @abstractmethod
    def _run(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch seq dim"], Cache]:
        """What the layers make of tokens behind a cache; and the cache with them."""

    @abstractmethod
    def _logits(self, hidden: Float[Array, "... dim"]) -> Float[Array, "... vocab_size"]: ...

    def prefill(
        self, tokens: Int[Any, "batch tokens"], cache: Cache | None = None
    ) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits of the last position of a prompt, or of what continues the text in `cache`; and the filled cache."""
        tokens = checked_prompt(tokens, self.config, cache)
        hidden, cache = self._run(tokens, cache or self._empty_cache(len(tokens)))
        return self._logits(hidden[:, -1]), cache

    def decode(self, token: Int[Any, " batch"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits after one more token a row, which takes position `cache.length`; and the cache with it."""
        hidden, cache = self._run(checked_token(token, self.config, cache)[:, None], cache)
        return self._logits(hidden[:, -1]), cache

    def forward(self, tokens: Int[Any, "batch tokens"]) -> Float[Array, "batch tokens vocab_size"]:
        """Logits of every position: what the whole text makes of each of its beginnings."""
        tokens = checked_prompt(tokens, self.config, None)
        hidden, _ = self._run(tokens, self._empty_cache(len(tokens)))
        return self._logits(hidden)

    def _empty_cache(self, batch: int) -> Cache:
        config = self.config
        shape = (config.layers, batch, config.context, config.kv_heads, config.head_dim)
        return Cache(np.zeros(shape, self.embedding.dtype), np.zeros(shape, self.embedding.dtype))

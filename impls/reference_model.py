"""What the references of all models share: a cache in two arrays, and the checks around a run of the layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from .checks import check_rewind, checked_padding, checked_prompt, checked_token

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Cache:
    """Keys and values in the first `length` slots, for each layer. What lies behind them is not looked at.

    The first `padding` slots of a row hold none of its positions: prompts of several lengths end in the same slot.
    """

    keys: Float[Array, "layers batch context kv_heads head_dim"]
    values: Float[Array, "layers batch context kv_heads head_dim"]
    padding: Int[Array, " batch"]
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
    def _embed(self, tokens: Int[Array, "batch seq"], cache: Cache) -> Float[Array, "batch seq dim"]: ...

    @abstractmethod
    def _run_layers(self, x: Float[Array, "batch seq dim"], cache: Cache) -> Float[Array, "batch seq dim"]:
        """What the layers make of tokens behind a cache, into which they write keys and values."""

    @abstractmethod
    def _logits(self, hidden: Float[Array, "... dim"]) -> Float[Array, "... vocab_size"]: ...

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
        tokens = checked_prompt(tokens, self.config, cache)
        padding = checked_padding(padding, tokens, cache)
        hidden, cache = self._run(tokens, cache or self._empty_cache(padding))
        return self._logits(hidden[:, -1]), cache

    def decode(self, token: Int[Any, " batch"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits after one more token a row, which takes position `cache.length`; and the cache with it."""
        hidden, cache = self._run(checked_token(token, self.config, cache)[:, None], cache)
        return self._logits(hidden[:, -1]), cache

    def forward(self, tokens: Int[Any, "batch tokens"]) -> Float[Array, "batch tokens vocab_size"]:
        """Logits of every position: what the whole text makes of each of its beginnings."""
        tokens = checked_prompt(tokens, self.config, None)
        hidden, _ = self._run(tokens, self._empty_cache(np.zeros(len(tokens), np.int32)))
        return self._logits(hidden)

    def _run(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch seq dim"], Cache]:
        hidden = self._run_layers(self._embed(tokens, cache), cache)
        return hidden, replace(cache, length=cache.length + tokens.shape[1])

    def _empty_cache(self, padding: Int[Array, " batch"]) -> Cache:
        config = self.config
        shape = (config.layers, len(padding), config.context, config.kv_heads, config.head_dim)
        return Cache(np.zeros(shape, self.embedding.dtype), np.zeros(shape, self.embedding.dtype), padding)


def positions(cache: Cache, seq: int) -> Int[Array, "batch seq"]:
    """The positions of the next `seq` slots; 0 in those of padding, whatever it is computed with."""
    slots = np.arange(cache.length, cache.length + seq)
    return np.maximum(slots - cache.padding[:, None], 0)


def seen_mask(cache: Cache, seq: int) -> Float[Array, "batch 1 seq end"]:
    """Added to scores: -inf where a slot comes after the query's, or is padding, which only padding itself may see."""
    queries, keys = np.arange(cache.length, cache.length + seq)[:, None], np.arange(cache.length + seq)
    padding = cache.padding[:, None, None]
    hidden = (keys > queries) | ((keys < padding) & (queries >= padding))
    return np.where(hidden, -np.inf, 0.0)[:, None]

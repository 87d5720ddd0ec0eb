"""What the references of all models share: a cache in two arrays, and a run of the layers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from .cached_model import CachedModel, CacheOfSlots
from .checks import checked_prompt

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Cache(CacheOfSlots):
    """Keys and values, for each layer."""

    keys: Float[Array, "layers batch context kv_heads head_dim"]
    values: Float[Array, "layers batch context kv_heads head_dim"]


class ReferenceModel(CachedModel):
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

    def forward(self, tokens: Int[Any, "batch tokens"]) -> Float[Array, "batch tokens vocab_size"]:
        """Logits of every position: what the whole text makes of each of its beginnings."""
        tokens = checked_prompt(tokens, self.config, None)
        hidden, _ = self._run(tokens, self._empty_cache(np.zeros(len(tokens), np.int32)))
        return self._logits(hidden)

    def _step(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        hidden, cache = self._run(tokens, cache)
        return self._logits(hidden[:, -1]), cache

    def _run(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch seq dim"], Cache]:
        hidden = self._run_layers(self._embed(tokens, cache), cache)
        return hidden, cache.at(cache.length + tokens.shape[1])

    def _empty_cache(self, padding: Int[Array, " batch"]) -> Cache:
        config = self.config
        shape = (config.layers, len(padding), config.context, config.kv_heads, config.head_dim)
        return Cache(np.zeros(shape, self.embedding.dtype), np.zeros(shape, self.embedding.dtype), padding=padding)


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

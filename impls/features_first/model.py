"""What the models that lie features first share: buffers, the norm and the head."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Int32

from ..cached_model import CachedModel
from ..parts import HEAD, part
from .arrays import empty
from .attention import Attention
from .cache import Cache

Array = np.ndarray


class Buffers:
    """What a step of `batch` rows and `seq` tokens a row writes to, `columns = batch * seq`."""

    def __init__(self, config: Any, batch: int, seq: int) -> None:
        self.batch, self.seq = batch, seq
        columns = batch * seq
        self.hidden = empty(config.dim, columns)
        self.normed = empty(config.dim, columns)
        self.change = empty(config.dim, columns)
        self.size = empty(1, columns)
        self.attention = Attention(config, batch, seq)


class FeaturesFirst(CachedModel):
    """A decoder whose norms divide by the root mean square, all else of them being folded into its weights.

    It runs one step at a time, in buffers that are made anew when batch or number of tokens change.
    """

    Buffers: type[Buffers] = Buffers

    def __init__(
        self,
        config: Any,
        head: Float32[Array, "dim vocab_size"],
        head_bias: Float32[Array, " vocab_size"] | None = None,
    ) -> None:
        self.config, self.head, self.head_bias = config, head, head_bias
        self.mean = np.full((1, config.dim), 1 / config.dim, np.float32)
        self.buffers = self.Buffers(config, 1, 1)

    @abstractmethod
    def _embed(self, tokens: Int[Array, "batch seq"], positions: Any) -> None:
        """Fill `hidden`."""

    @abstractmethod
    def _run_layers(self, cache: Cache, positions: Any) -> None:
        """Add to `hidden` what the layers make of it."""

    def _empty_cache(self, padding: Int32[Array, " batch"]) -> Cache:
        return Cache.empty(self.config, padding)

    def _step(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float32[Array, "batch vocab_size"], Cache]:
        batch, seq = tokens.shape
        if (batch, seq) != (self.buffers.batch, self.buffers.seq):
            self.buffers = self.Buffers(self.config, batch, seq)
        positions = cache.positions(seq)
        self._embed(tokens, positions)
        self._run_layers(cache, positions)
        return self._logits(), cache.at(cache.length + seq)

    @part(HEAD)
    def _logits(self) -> Float32[Array, "batch vocab_size"]:
        self._normalise()
        seq = self.buffers.seq
        logits = np.ascontiguousarray(self.buffers.normed[:, seq - 1 :: seq].T) @ self.head
        return logits if self.head_bias is None else np.add(logits, self.head_bias, out=logits)

    def _normalise(self) -> None:
        """`normed = hidden / rms(hidden)`, by column."""
        buffers = self.buffers
        np.multiply(buffers.hidden, buffers.hidden, out=buffers.normed)
        np.matmul(self.mean, buffers.normed, out=buffers.size)
        np.add(buffers.size, self.config.norm_eps, out=buffers.size)
        np.sqrt(buffers.size, out=buffers.size)
        np.divide(buffers.hidden, buffers.size, out=buffers.normed)

"""A model whose step is compiled: what both architectures and all formats share."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numba
import numpy as np
from jaxtyping import Float, Int

from ..cached_model import CachedModel
from ..parts import ATTENTION, EMBEDDING, FEED_FORWARD, HEAD
from ..simd.team import Team
from . import layers, spaces
from .architecture import Architecture
from .cache import Cache
from .step import step
from .weights import FORMATS, aligned

Array = np.ndarray
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
PARTS = {EMBEDDING: layers.EMBEDDING, ATTENTION: layers.ATTENTION, FEED_FORWARD: layers.FEED_FORWARD, HEAD: layers.HEAD}


class CompiledModel(CachedModel):
    """Runs one step at a time. A second thread and more wait for it in compiled code, as long as the model lives.

    Profiles: `count_cycles(True)` starts counting, `part_cycles()` gives calls and processor cycles of each part.
    """

    def __init__(self, architecture: Architecture, config: Any, format_name: str) -> None:
        self.config, self._shape, self._format = config, architecture.shape, format_name
        form = FORMATS[format_name]
        self._ids = np.zeros(spaces.ROWS, np.int32)
        self._orders = np.zeros(len(spaces.ORDERS), np.int64)
        self._spent = np.zeros(2 * layers.PARTS, np.int64)
        threads = numba.get_num_threads()
        team = Team(
            step,
            step,
            (
                self._orders,
                architecture.shape,
                float(architecture.eps),
                self._spent,
                *architecture.packed(form.pack),
                architecture.vectors,
                architecture.positions,
                *memory(architecture.shape, format_name, threads),
                self._ids,
                np.zeros(threads * spaces.bits_size.py_func(architecture.shape), form.cache),
                np.zeros(threads * spaces.PLACES, np.int64),
            ),
            threads,
        )
        # The method alone: whoever looks for a model's arrays need not look into its threads.
        self._run = team.step

    def count_cycles(self, on: bool) -> None:
        """Begin to count anew, or stop."""
        self._spent[:] = 0
        self._orders[spaces.TIMED] = on

    def part_cycles(self) -> dict[str, tuple[int, int]]:
        """Calls, and cycles of the first thread, for each name in `parts`, since counting began."""
        return {name: (int(self._spent[layers.PARTS + at]), int(self._spent[at])) for name, at in PARTS.items()}

    def _empty_cache(self, padding: Int[Array, " batch"]) -> Cache:
        size = int(self._shape[spaces.HEAD_SIZE])
        shape = (self.config.layers, len(padding), self.config.kv_heads, size)
        dtype = FORMATS[self._format].cache
        keys, values = aligned(shape, dtype), aligned(shape, dtype)
        return Cache(keys, values, padding)

    def decode(self, token: Int[Array, " batch"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """As of all models; a token of a single text takes a shorter way through the same checks.

        A step leaves little of Python in the processor's caches: each line of it that runs is fetched from memory.
        """
        if (
            type(token) is np.ndarray
            and token.shape == (1,)
            and token.dtype.kind in "iu"
            and cache.batch == 1
            and cache.length < self.config.context
            and 0 <= (one := token.item()) < self.config.vocab_size
        ):
            self._ids[0] = one
            length = cache.length
            return self._ordered(1, 1, length, cache, 0, True), cache.at(length + 1)
        return super().decode(token, cache)

    def _step(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        batch, seq = tokens.shape
        together = max(1, spaces.ROWS // seq)
        logits = [self._texts(tokens[first : first + together], first, cache) for first in range(0, batch, together)]
        cache = cache.at(cache.length + seq)
        return (logits[0] if len(logits) == 1 else np.concatenate(logits)), cache

    def _texts(
        self, tokens: Int[Array, "batch seq"], first_text: int, cache: Cache
    ) -> Float[Array, "batch vocab_size"]:
        """Some texts of the cache, by as many tokens at a time as a step takes; the logits of the last ones."""
        texts, seq = tokens.shape
        for begin in range(0, seq, spaces.ROWS):
            part = tokens[:, begin : begin + spaces.ROWS]
            end = begin + part.shape[1]
            self._ids[: part.size] = part.reshape(-1)
            logits = self._ordered(texts, end - begin, cache.length + begin, cache, first_text, end == seq)
        return logits

    def _ordered(
        self, texts: int, tokens: int, start: int, cache: Cache, first_text: int, wanted: bool
    ) -> Float[Array, "batch vocab_size"]:
        """One step of the ids that lie ready, from a slot on."""
        self._orders[: spaces.TIMED] = (texts, tokens, start, *cache.places, first_text, wanted)
        logits = self._run()
        return logits.view(BFLOAT16) if self._format == "bf16" else logits


def memory(shape: Int[Array, " words"], format_name: str, threads: int) -> tuple[Array, Array, Array, Array]:
    """Rows and spaces of all threads, and the three arrays of `formats.panels_in`."""
    floats = aligned((spaces.rows_size.py_func(shape) + threads * spaces.spaces_size.py_func(shape),), np.float32)
    widest = int(max(shape[spaces.WIDE_DIM], shape[spaces.WIDE_QUERIES], shape[spaces.WIDE_FFN]))
    if format_name in ("f32", "bf16"):
        numbers = aligned((spaces.ROWS * widest,), np.float32 if format_name == "f32" else np.uint16)
        return floats, numbers, np.empty(0, np.float32), np.empty(0, np.int32)
    # A row of its own for each thread, or panels for all.
    size = max(spaces.ROWS, threads) * (widest + 64)
    return (
        floats,
        aligned((size,), np.int8),
        aligned((size // 32 + 32 * threads,), np.float32),
        aligned((size // 32 + 32 * threads,), np.int32),
    )

"""A model run by llama.cpp, as its Python package's low-level functions run it: the weights in a GGUF file of ours.

Imports llama_cpp and gguf, so only the files of that backend import this one.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import weakref
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import ml_dtypes
import numpy as np
from jaxtyping import Float, Int

from . import gguf_files
from .cached_model import CachedModel, CacheOfSlots

Array = np.ndarray
# Tokens that are computed at once: llama.cpp's own default.
UBATCH = 512
ERROR, CONTINUED = 4, 5  # of ggml_log_level


class LlamaCppError(RuntimeError):
    """llama.cpp refused something that we hold to be right; with what it said last."""

    def __init__(self, what: str) -> None:
        super().__init__(f"llama.cpp {what}: {' '.join(_complaints).strip() or 'it does not say why'}")


_complaints: deque[str] = deque(maxlen=8)
_level = 0


@llama_cpp.llama_log_callback
def _listen(level: int, text: bytes, _: Any) -> None:
    """Keep errors for an exception. Of the rest nobody asked, and its package would print it."""
    global _level
    _level = _level if level == CONTINUED else level
    if _level == ERROR:
        _complaints.append(text.decode(errors="replace").strip())


llama_cpp.llama_log_set(_listen, ctypes.c_void_p(0))


def load(params: Mapping[str, Array], config: Any, weights: str) -> Model:
    """The model of these parameters in a weight format of `gguf_files`. ValueError if any does not fit."""
    llama_cpp.llama_backend_init()
    options = llama_cpp.llama_model_default_params()
    options.n_gpu_layers = 0
    # The file is gone once it is mapped; the memory stays until the model is freed.
    with tempfile.TemporaryDirectory(prefix="kernelgate-gguf-") as folder:
        path = Path(folder) / "model.gguf"
        gguf_files.write(path, params, config, weights)
        model = llama_cpp.llama_model_load_from_file(os.fsencode(path), options)
    if not model:
        raise LlamaCppError(f"cannot load a model of {config} in {weights}")
    return Model(model, config, weights)


@dataclass(frozen=True, eq=False)
class Cache(CacheOfSlots):
    """The state of a batch; the context that holds it goes back to the model when no cache of it is left."""

    context: Context


class Model(CachedModel):
    """A llama_model behind the methods that all models here have."""

    def __init__(self, model: Any, config: Any, weights: str) -> None:
        self.model, self.config, self.weights = model, config, weights
        self.dtype = ml_dtypes.bfloat16 if weights == "bf16" else np.float32
        # By batch size: to make a context takes longer than a step.
        self.idle: dict[int, list[Any]] = defaultdict(list)
        weakref.finalize(self, _free, model, self.idle)

    def _empty_cache(self, padding: Int[Array, " batch"]) -> Cache:
        return Cache(Context(self, len(padding)), padding=padding)

    def _step(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        logits = cache.context.step(tokens, cache.padding, cache.length)
        return logits.astype(self.dtype), cache.at(cache.length + tokens.shape[1])


class Context:
    """A llama_context for `batch` sequences of the configuration's length, borrowed from the model."""

    def __init__(self, model: Model, batch: int) -> None:
        self.model, self.batch, self.length = model, batch, 0
        idle = model.idle[batch]
        self.context = idle.pop() if idle else _new_context(model, batch)
        self.memory = llama_cpp.llama_get_memory(self.context)
        llama_cpp.llama_memory_clear(self.memory, False)
        weakref.finalize(self, idle.append, self.context)

    def step(
        self, tokens: Int[Array, "batch seq"], padding: Int[Array, " batch"], length: int
    ) -> Float[Array, "batch vocab_size"]:
        """Logits of the last slot of each row, when the tokens take the slots from `length` on."""
        if length != self.length:
            self._forget(padding, length)
        slots = np.arange(length, length + tokens.shape[1], dtype=np.int32)
        positions = slots - padding[:, None]
        rows, columns = np.nonzero(positions >= 0)
        batch = Batch(tokens[rows, columns], positions[rows, columns], rows, columns == tokens.shape[1] - 1)
        # Until it has succeeded, it is unknown how much of it there is.
        self.length = -1
        if status := llama_cpp.llama_decode(self.context, batch.struct):
            raise LlamaCppError(f"gives status {status} for {len(tokens)} rows of {tokens.shape[1]} tokens at {length}")
        self.length = length + tokens.shape[1]
        logits = llama_cpp.llama_get_logits(self.context)
        return np.ctypeslib.as_array(logits, (self.batch, self.model.config.vocab_size)).copy()

    def _forget(self, padding: Int[Array, " batch"], length: int) -> None:
        # One call for all sequences, where their positions agree.
        rows = range(self.batch) if padding.any() else (-1,)
        for row in rows:
            if not llama_cpp.llama_memory_seq_rm(self.memory, row, max(0, length - int(padding[row])), -1):
                raise LlamaCppError(f"cannot take row {row} back to {length} positions")


class Batch:
    """A llama_batch over NumPy arrays, which it keeps."""

    def __init__(self, tokens: Array, positions: Array, rows: Array, wanted: Array) -> None:
        count = len(tokens)
        self.arrays = (
            np.ascontiguousarray(tokens, np.int32),
            np.ascontiguousarray(positions, np.int32),
            np.ones(count, np.int32),
            np.ascontiguousarray(rows, np.int32),
            np.ascontiguousarray(wanted, np.int8),
        )
        tokens, positions, counts, rows, wanted = self.arrays
        # Each token's list of sequences is one element of `rows`.
        self.lists = rows.ctypes.data + rows.itemsize * np.arange(count, dtype=np.uintp)
        self.struct = llama_cpp.llama_batch(
            n_tokens=count,
            token=_pointer(tokens, llama_cpp.llama_token),
            pos=_pointer(positions, llama_cpp.llama_pos),
            n_seq_id=_pointer(counts, ctypes.c_int32),
            seq_id=_pointer(self.lists, ctypes.POINTER(llama_cpp.llama_seq_id)),
            logits=_pointer(wanted, ctypes.c_int8),
        )


def _pointer(array: Array, kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))


def _new_context(model: Model, batch: int) -> Any:
    options = llama_cpp.llama_context_default_params()
    options.n_seq_max = batch
    options.n_ctx = options.n_batch = batch * model.config.context
    options.n_ubatch = min(UBATCH, options.n_batch)
    options.n_outputs_max = batch
    options.n_threads = options.n_threads_batch = threads()
    # A cache of its own for each row: in a shared one, every query would be multiplied with the keys of all rows.
    options.kv_unified = False
    options.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
    kind = llama_cpp.GGML_TYPE_F32 if model.weights == "f32" else llama_cpp.GGML_TYPE_F16
    options.type_k = options.type_v = kind
    context = llama_cpp.llama_init_from_model(model.model, options)
    if not context:
        raise LlamaCppError(f"makes no context for {batch} rows of {model.config.context} positions")
    return context


def _free(model: Any, idle: Mapping[int, list[Any]]) -> None:
    for contexts in idle.values():
        for context in contexts:
            llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)


def threads() -> int:
    """One a processor that the process may use, as every library is pinned."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""A model run by Hugging Face's transformers: its own classes, its own caches, and PyTorch's compiler.

Imports torch and transformers, so only the files of that backend import this one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import torch
from jaxtyping import Float, Int

from ..cached_model import CachedModel, CacheOfSlots
from ..config import LlamaConfig
from ..gpt2_config import GPT2Config
from .caches import Borrowed, Caches, GrowingCaches, StaticCaches
from .networks import network

__all__ = ["GrowingCaches", "Model", "StaticCaches", "load"]

Array = np.ndarray
# A program for each model and shape of tokens, and all models share the code that is compiled.
torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 1 << 20


def load(params: Mapping[str, Array], config: LlamaConfig | GPT2Config, caches: type[Caches], compiled: bool) -> Model:
    """The model of these parameters, float32 or bfloat16, which it shares. ValueError if any does not fit.

    compiled: whether a step is one program of torch.compile for each shape of tokens, or eager operations.
    """
    library = network(params, config)
    return Model(library, config, caches(library.config, config), compiled)


@dataclass(frozen=True, eq=False)
class Cache(CacheOfSlots):
    """A cache of the library's. What lies behind its length is forgotten by the next step."""

    borrowed: Borrowed


class Model(CachedModel):
    """A model of the library's behind the methods that all models here have."""

    def __init__(self, library: Any, config: Any, caches: Caches, compiled: bool) -> None:
        self.library, self.config, self.caches = library, config, caches
        self.run: Callable[..., Any] = compiled_by_torch(library.forward) if compiled else library.forward

    def _empty_cache(self, padding: Int[Array, " batch"]) -> Cache:
        return Cache(Borrowed(self.caches, len(padding), self.library.dtype), padding=padding)

    @torch.inference_mode()
    def _step(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        borrowed, end = cache.borrowed, cache.length + tokens.shape[1]
        if borrowed.length != cache.length:
            self.caches.cut(borrowed.cache, cache.length)
        # Until it has succeeded, it is unknown how much of it there is.
        borrowed.length = -1
        output = self.run(
            input_ids=torch.from_numpy(tokens),
            past_key_values=borrowed.cache,
            use_cache=True,
            logits_to_keep=1,
            **_masked(cache.padding, cache.length, end, self.caches.slots(end)),
        )
        borrowed.length = end
        return _host(output.logits[:, -1]), cache.at(end)


def compiled_by_torch(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A program for each shape of tokens. What cannot be compiled whole fails, and does not run as something else."""
    with warnings.catch_warnings():
        # Its first import uses what PyTorch itself deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        import torch._inductor.compile_fx
    return torch.compile(forward, fullgraph=True, dynamic=False)


def _masked(padding: Int[Array, " batch"], start: int, end: int, slots: int) -> dict[str, torch.Tensor]:
    """The arguments that tell of left padding; none if there is none, which the library can take a shorter way for."""
    if not padding.any():
        return {}
    positions = np.arange(slots) - padding[:, None]
    return {
        "attention_mask": torch.from_numpy((positions >= 0).astype(np.int64)),
        "position_ids": torch.from_numpy(np.maximum(positions[:, start:end], 0)),
    }


def _host(logits: torch.Tensor) -> Array:
    if logits.dtype == torch.bfloat16:
        return logits.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return logits.numpy()

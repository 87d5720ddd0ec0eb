"""Llama with all matrices in bytes, as llama.cpp's Q8_0 has them, and activations quantised before each product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..checks import check_parameters
from ..config import LlamaConfig
from .attention import Storage
from .decoder import Hidden
from .grouped import Grouped, grouped, grouped_product, rounded
from .llama import Llama, Weights, fused
from .state import Slots


@dataclass(frozen=True)
class Int8Llama(Llama):
    """Tokens are looked up in what the head is multiplied with, if it is tied."""

    def embedded(self, weights: Weights, tokens: Int[Array, "batch seq"], slots: Slots) -> Hidden:
        return weights.embedding.columns(tokens, self.config.dim)

    def multiplied(self, x: Float[Array, "... in"], weights: Grouped) -> Float[Array, "... out"]:
        return grouped_product(x, weights)


def decoder_of(params: Mapping[str, Any], config: LlamaConfig, storage: Storage) -> tuple[Int8Llama, Weights]:
    """The decoder, and its weights on the device that they are on, quantised on the host.

    Parameters are given in float32; ValueError if one does not fit.
    """
    check_parameters(params, config, ("float32",))
    like = jnp.asarray(params["model.norm.weight"])

    def matrix(layer: int, *names: str) -> Grouped:
        parts = [np.asarray(params[f"model.layers.{layer}.{name}_proj.weight"]) for name in names]
        return grouped(np.concatenate(parts), like)

    embedding = grouped(params["model.embed_tokens.weight"], like)
    head = embedding if config.tied else grouped(params["lm_head.weight"], like)
    return Int8Llama(config, storage), fused(params, config, embedding, matrix, head)


def rounded_parameters(params: Mapping[str, np.ndarray], config: LlamaConfig) -> dict[str, np.ndarray]:
    """The parameters as the model holds them: matrices quantised, gains as they are."""
    check_parameters(params, config, ("float32",))
    return {name: rounded(array) if array.ndim == 2 else array for name, array in params.items()}

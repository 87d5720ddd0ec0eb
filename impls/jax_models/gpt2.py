"""GPT-2 for the programs of this package: its weights as they are multiplied, and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ..checks import check_parameters
from ..gpt2_config import GPT2Config
from .attention import Plain, Storage
from .decoder import Heads, Hidden
from .products import held_dtype, product
from .state import Slots


class Norm(NamedTuple):
    gain: Float[Array, " dim"]
    shift: Float[Array, " dim"]


class Conv1D(NamedTuple):
    """Hugging Face's name for a linear layer whose matrix is stored `[in, out]`."""

    weight: Float[Array, "in out"]
    bias: Float[Array, " out"]

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        return product(x, self.weight) + self.bias.astype(jnp.float32)


class Layer(NamedTuple):
    attention_norm: Norm
    qkv: Conv1D
    output: Conv1D
    feed_forward_norm: Norm
    inner: Conv1D
    outer: Conv1D


class Weights(NamedTuple):
    embedding: Float[Array, "vocab_size dim"]
    positions: Float[Array, "context dim"]
    layers: tuple[Layer, ...]
    norm: Norm
    head: Float[Array, "dim vocab_size"]


@dataclass(frozen=True)
class GPT2:
    config: GPT2Config
    storage: Storage

    def embedded(self, weights: Weights, tokens: Int[Array, "batch seq"], slots: Slots) -> Hidden:
        known = weights.embedding.at[tokens].get(mode="promise_in_bounds")
        at = weights.positions.at[slots.positions].get(mode="promise_in_bounds")
        return known.astype(jnp.float32) + at.astype(jnp.float32)

    def angles(self, weights: Weights, slots: Slots) -> None:
        """Positions are learned, and so part of the embedding."""

    def projected(self, layer: Layer, x: Hidden, angles: None) -> tuple[Heads, Heads, Heads]:
        config, (batch, seq, _) = self.config, x.shape
        qkv = layer.qkv(self._normalised(x, layer.attention_norm))
        heads = qkv.reshape(batch, seq, -1, config.head_dim).swapaxes(1, 2)
        queries, keys, values = jnp.split(heads, 3, axis=1)
        return queries, keys, values

    def output(self, layer: Layer, mixed: Hidden) -> Hidden:
        return layer.output(mixed)

    def feed_forward(self, layer: Layer, x: Hidden) -> Hidden:
        return layer.outer(jax.nn.gelu(layer.inner(self._normalised(x, layer.feed_forward_norm)), approximate=True))

    def logits(self, weights: Weights, last: Float[Array, "batch dim"]) -> Float[Array, "batch vocab_size"]:
        return product(self._normalised(last, weights.norm), weights.head).astype(weights.embedding.dtype)

    def _normalised(self, x: Float[Array, "... dim"], norm: Norm) -> Float[Array, "... dim"]:
        """LayerNorm."""
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(centred * centred, axis=-1, keepdims=True)
        scaled = centred * lax.rsqrt(variance + self.config.norm_eps)
        return scaled * norm.gain.astype(jnp.float32) + norm.shift.astype(jnp.float32)


def decoder_of(params: Mapping[str, Any], config: GPT2Config) -> tuple[GPT2, Weights]:
    """The decoder, and its weights on the device that they are on; the head is a copy, as it is transposed.

    Weights are `[in, out]`, with which XLA reads a matrix along its rows when it multiplies a vector: on a CPU that is
    nearly twice as fast. Float32 or bfloat16, in which the cache is stored too; ValueError if a parameter does not fit.
    """
    check_parameters(params, config, ("float32", "bfloat16"))
    embedding = jnp.asarray(params["wte.weight"])
    dtype = held_dtype(embedding)

    def norm(name: str) -> Norm:
        return Norm(jnp.asarray(params[f"{name}.weight"]), jnp.asarray(params[f"{name}.bias"]))

    def conv(name: str) -> Conv1D:
        return Conv1D(jnp.asarray(params[f"{name}.weight"], dtype), jnp.asarray(params[f"{name}.bias"]))

    def one(block: str) -> Layer:
        attention = norm(f"{block}.ln_1"), conv(f"{block}.attn.c_attn"), conv(f"{block}.attn.c_proj")
        return Layer(*attention, norm(f"{block}.ln_2"), conv(f"{block}.mlp.c_fc"), conv(f"{block}.mlp.c_proj"))

    layers = tuple(one(f"h.{layer}") for layer in range(config.layers))
    positions, head = jnp.asarray(params["wpe.weight"]), embedding.T.astype(dtype)
    return GPT2(config, Plain(dtype.name)), Weights(embedding, positions, layers, norm("ln_f"), head)

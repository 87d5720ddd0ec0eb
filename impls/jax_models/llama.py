"""Llama for the programs of this package: its weights as they are multiplied, and its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from ..checks import check_parameters
from ..config import LlamaConfig
from ..rotary.tables import rope_tables
from .attention import Plain, Storage
from .decoder import Heads, Hidden
from .products import held_dtype, product
from .state import Slots


class Layer(NamedTuple):
    attention_gain: Float[Array, " dim"]
    qkv: Float[Array, "dim qkv"]
    output: Float[Array, "queries dim"]
    feed_forward_gain: Float[Array, " dim"]
    gate_up: Float[Array, "dim two_ffn_dim"]
    down: Float[Array, "ffn_dim dim"]


class Weights(NamedTuple):
    embedding: Float[Array, "vocab_size dim"]
    layers: tuple[Layer, ...]
    gain: Float[Array, " dim"]
    head: Float[Array, "dim vocab_size"]
    cos: Float[Array, "context half"]
    sin: Float[Array, "context half"]


@dataclass(frozen=True)
class Llama:
    config: LlamaConfig
    storage: Storage

    def embedded(self, weights: Weights, tokens: Int[Array, "batch seq"], slots: Slots) -> Hidden:
        return weights.embedding.at[tokens].get(mode="promise_in_bounds").astype(jnp.float32)

    def angles(self, weights: Weights, slots: Slots) -> tuple[Array, Array]:
        """Cosines and sines, the same for all heads."""
        at = slots.positions
        cos, sin = (table.at[at].get(mode="promise_in_bounds")[:, None] for table in (weights.cos, weights.sin))
        return cos, sin

    def projected(self, layer: Layer, x: Hidden, angles: tuple[Array, Array]) -> tuple[Heads, Heads, Heads]:
        config, (batch, seq, _) = self.config, x.shape
        qkv = self.multiplied(self._normalised(x, layer.attention_gain), layer.qkv)
        heads = qkv.reshape(batch, seq, -1, config.head_dim).swapaxes(1, 2)
        turned = rotated(heads[:, : -config.kv_heads], *angles)
        return turned[:, : config.heads], turned[:, config.heads :], heads[:, -config.kv_heads :]

    def output(self, layer: Layer, mixed: Hidden) -> Hidden:
        return self.multiplied(mixed, layer.output)

    def feed_forward(self, layer: Layer, x: Hidden) -> Hidden:
        gate, up = jnp.split(self.multiplied(self._normalised(x, layer.feed_forward_gain), layer.gate_up), 2, axis=-1)
        return self.multiplied(jax.nn.silu(gate) * up, layer.down)

    def logits(self, weights: Weights, last: Float[Array, "batch dim"]) -> Float[Array, "batch vocab_size"]:
        return self.multiplied(self._normalised(last, weights.gain), weights.head).astype(weights.gain.dtype)

    def multiplied(self, x: Float[Array, "... in"], weights: Any) -> Float[Array, "... out"]:
        return product(x, weights)

    def _normalised(self, x: Float[Array, "... dim"], gain: Float[Array, " dim"]) -> Float[Array, "... dim"]:
        """RMSNorm."""
        mean_square = jnp.mean(x * x, axis=-1, keepdims=True)
        return x * lax.rsqrt(mean_square + self.config.norm_eps) * gain.astype(jnp.float32)


def rotated(x: Heads, cos: Array, sin: Array) -> Heads:
    real, imaginary = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1)


def decoder_of(params: Mapping[str, Any], config: LlamaConfig, storage: Storage | None = None) -> tuple[Llama, Weights]:
    """The decoder, and copies of all weights on the device that they are on; of a tied head too, which is transposed.

    Weights are `[in, out]`, with which XLA reads a matrix along its rows when it multiplies a vector: on a CPU that is
    nearly twice as fast. Those that read the same input are one matrix. The cache is stored in the weights' dtype,
    unless `storage` says otherwise. Float32 or bfloat16; ValueError if a parameter does not fit.
    """
    check_parameters(params, config, ("float32", "bfloat16"))
    embedding = jnp.asarray(params["model.embed_tokens.weight"])
    dtype = held_dtype(embedding)

    def matrix(layer: int, *names: str) -> Float[Array, "in out"]:
        parts = [params[f"model.layers.{layer}.{name}_proj.weight"] for name in names]
        return jnp.concatenate(parts).T.astype(dtype)

    head = embedding if config.tied else jnp.asarray(params["lm_head.weight"])
    weights = fused(params, config, embedding, matrix, head.T.astype(dtype))
    return Llama(config, storage or Plain(dtype.name)), weights


def fused(
    params: Mapping[str, Any], config: LlamaConfig, embedding: Any, matrix: Callable[..., Any], head: Any
) -> Weights:
    """The weights, with matrices as `matrix(layer, *names)` makes one of several."""

    def gain(layer: int, name: str) -> Float[Array, " dim"]:
        return jnp.asarray(params[f"model.layers.{layer}.{name}_layernorm.weight"])

    def one(layer: int) -> Layer:
        return Layer(
            gain(layer, "input"),
            matrix(layer, "self_attn.q", "self_attn.k", "self_attn.v"),
            matrix(layer, "self_attn.o"),
            gain(layer, "post_attention"),
            matrix(layer, "mlp.gate", "mlp.up"),
            matrix(layer, "mlp.down"),
        )

    layers, last = tuple(one(layer) for layer in range(config.layers)), jnp.asarray(params["model.norm.weight"])
    cos, sin = (jax.device_put(table, last.sharding) for table in rope_tables(config, np.float32))
    return Weights(embedding, layers, last, head, cos, sin)

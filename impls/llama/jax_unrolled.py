"""Llama in JAX: layers unrolled in one program a step, the cache donated, and so written in place.

Decoding is one program whatever the position, which lies on the device beside the cache. A prompt is one program for
each shape, and one more where it continues a cache. Weights are `[in, out]`, with which XLA reads a matrix along its
rows when it multiplies a vector: on a CPU that is nearly twice as fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from ..checks import check_parameters, check_rewind, checked_prompt, checked_token
from ..config import LlamaConfig
from ..rotary.tables import rope_tables

# One axis for batch and heads: with an axis of its own for a batch of 1, XLA on a CPU copies the cache at every step.
Keys = Float[Array, "batch_kv_heads context head_dim"]


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


class State(NamedTuple):
    """What lies on the device: the cache by layer, its length, and the first position of each row with an id that is
    no token (`context` if there is none): from there on the row's logits are NaN, until the position is rewound.
    """

    keys: tuple[Keys, ...]
    values: tuple[Keys, ...]
    length: Int[Array, ""]
    invalid: Int[Array, " batch"]


@dataclass(frozen=True, eq=False)
class Cache:
    """A state and its length, known to the host without asking. The step that takes the state consumes it."""

    state: State
    length: int

    @property
    def batch(self) -> int:
        return self.state.invalid.shape[0]

    def rewind(self, length: int) -> Cache:
        """The cache as it was at `length` positions; ValueError if it never was."""
        check_rewind(length, self)
        on_device = jax.device_put(np.int32(length), self.state.length.sharding)
        return replace(self, state=self.state._replace(length=on_device), length=length)


def load(params: Mapping[str, Array], config: LlamaConfig) -> Llama:
    """The model of these parameters on the device that they are on: float32 or bfloat16, products summed in float32.

    Holds copies of all weights; of a tied head too, which it wants transposed. ValueError if a parameter does not fit.
    """
    check_parameters(params, config, ("float32", "bfloat16"))
    return Llama(fused(params, config), config)


class Llama:
    def __init__(self, weights: Weights, config: LlamaConfig) -> None:
        self.weights, self.config = weights, config

    def prefill(
        self, tokens: Int[Any, "batch tokens"], cache: Cache | None = None
    ) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits of the last position of a prompt, or of what continues the text in `cache`; and the filled cache."""
        tokens = self._placed(checked_prompt(tokens, self.config, cache, unread=jax.Array))
        if cache is not None:
            return self._continue(tokens, cache)
        logits, state = begin(self.weights, tokens, config=self.config)
        return logits, Cache(state, tokens.shape[1])

    def decode(self, token: Int[Any, " batch"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits after one more token a row, which takes position `cache.length`; and the cache with it."""
        return self._continue(self._placed(checked_token(token, self.config, cache, unread=jax.Array)), cache)

    def _placed(self, tokens: Any) -> Array:
        return tokens if isinstance(tokens, jax.Array) else jax.device_put(tokens, self.weights.gain.sharding)

    def _continue(self, tokens: Int[Array, "batch ..."], cache: Cache) -> tuple[Array, Cache]:
        logits, state = advance(self.weights, tokens, cache.state, config=self.config)
        return logits, Cache(state, cache.length + (tokens.shape[1] if tokens.ndim == 2 else 1))


def fused(params: Mapping[str, Array], config: LlamaConfig) -> Weights:
    """The weights transposed, those that read the same input in one matrix.

    On a CPU they are held in float32: XLA has no product of bfloat16 summed in float32 there, and would otherwise
    convert every weight at every step, which takes ten times as long as the step.
    """
    embedding = jnp.asarray(params["model.embed_tokens.weight"])
    on_cpu = all(device.platform == "cpu" for device in embedding.devices())
    dtype = jnp.float32 if on_cpu else embedding.dtype

    def matrix(layer: int, *names: str) -> Float[Array, "in out"]:
        stacked = jnp.concatenate([params[f"model.layers.{layer}.{name}_proj.weight"] for name in names])
        return stacked.T.astype(dtype)

    def gain(layer: int, name: str) -> Float[Array, " dim"]:
        return jnp.asarray(params[f"model.layers.{layer}.{name}_layernorm.weight"], dtype)

    tables = rope_tables(config, np.float32)
    return Weights(
        embedding,
        tuple(
            Layer(
                gain(layer, "input"),
                matrix(layer, "self_attn.q", "self_attn.k", "self_attn.v"),
                matrix(layer, "self_attn.o"),
                gain(layer, "post_attention"),
                matrix(layer, "mlp.gate", "mlp.up"),
                matrix(layer, "mlp.down"),
            )
            for layer in range(config.layers)
        ),
        jnp.asarray(params["model.norm.weight"], dtype),
        (embedding if config.tied else params["lm_head.weight"]).T.astype(dtype),
        *(jax.device_put(table, embedding.sharding) for table in tables),
    )


@partial(jax.jit, static_argnames="config")
def begin(
    weights: Weights, tokens: Int[Array, "batch seq"], *, config: LlamaConfig
) -> tuple[Float[Array, "batch vocab_size"], State]:
    """A prompt from position 0: the cache is made here, and attention need not read it."""
    shape = (tokens.shape[0] * config.kv_heads, config.context, config.head_dim)
    empty = (jnp.zeros(shape, weights.head.dtype),) * config.layers
    state = State(empty, empty, jnp.int32(0), jnp.full(tokens.shape[0], config.context, jnp.int32))
    return _step(weights, tokens, state, config, fresh=True)


@partial(jax.jit, static_argnames="config", donate_argnames="state")
def advance(
    weights: Weights, tokens: Int[Array, "batch ..."], state: State, *, config: LlamaConfig
) -> tuple[Float[Array, "batch vocab_size"], State]:
    """One or more tokens behind what is cached; that there is room must be known, as JAX clamps where it writes."""
    return _step(weights, tokens.reshape(tokens.shape[0], -1), state, config, fresh=False)


def _step(
    weights: Weights, tokens: Int[Array, "batch seq"], state: State, config: LlamaConfig, fresh: bool
) -> tuple[Float[Array, "batch vocab_size"], State]:
    positions = state.length + jnp.arange(tokens.shape[1], dtype=jnp.int32)
    invalid, tokens = _valid(tokens.astype(jnp.int32), positions, state.invalid, config)
    cos, sin = (table.at[positions].get(mode="promise_in_bounds") for table in (weights.cos, weights.sin))
    # Between layers all is float32, whatever the weights are: what is added up is not rounded at each of them.
    x = weights.embedding.at[tokens].get(mode="promise_in_bounds").astype(jnp.float32)
    keys, values = [], []
    for layer, layer_keys, layer_values in zip(weights.layers, state.keys, state.values, strict=True):
        qkv = product(normalised(x, layer.attention_gain, config), layer.qkv)
        mixed, layer_keys, layer_values = _attend(qkv, cos, sin, layer_keys, layer_values, positions, config, fresh)
        keys.append(layer_keys)
        values.append(layer_values)
        x = x + product(mixed, layer.output)
        gate, up = jnp.split(product(normalised(x, layer.feed_forward_gain, config), layer.gate_up), 2, axis=-1)
        x = x + product((jax.nn.silu(gate) * up).astype(layer.down.dtype), layer.down)
    last = jnp.where(invalid[:, None] < config.context, jnp.nan, x[:, -1])
    logits = product(normalised(last, weights.gain, config), weights.head).astype(weights.embedding.dtype)
    return logits, State(tuple(keys), tuple(values), positions[-1] + 1, invalid)


def _valid(
    tokens: Int[Array, "batch seq"], positions: Int[Array, " seq"], invalid: Int[Array, " batch"], config: LlamaConfig
) -> tuple[Int[Array, " batch"], Int[Array, "batch seq"]]:
    """The first position of each row that holds no token, and ids to look up: those outside would be clamped unseen."""
    known = jnp.where(invalid < positions[0], invalid, config.context)
    allowed = jnp.clip(tokens, 0, config.vocab_size - 1)
    found = jnp.where(allowed == tokens, config.context, positions).min(axis=1)
    return jnp.minimum(known, found), allowed


def _attend(
    qkv: Float[Array, "batch seq qkv"],
    cos: Float[Array, "seq half"],
    sin: Float[Array, "seq half"],
    keys: Keys,
    values: Keys,
    positions: Int[Array, " seq"],
    config: LlamaConfig,
    fresh: bool,
) -> tuple[Float[Array, "batch seq queries"], Keys, Keys]:
    """The values of the positions so far, mixed; and the cache with the new ones."""
    batch, seq, _ = qkv.shape
    heads = qkv.reshape(batch, seq, -1, config.head_dim).swapaxes(1, 2)
    turned = rotated(heads[:, : -config.kv_heads], cos, sin).astype(keys.dtype)
    # All queries of a key head in one axis: with two, XLA on a CPU takes four times as long.
    q = turned[:, : config.heads].reshape(batch * config.kv_heads, -1, config.head_dim)
    k = turned[:, config.heads :].reshape(batch * config.kv_heads, seq, config.head_dim)
    v = heads[:, -config.kv_heads :].reshape(batch * config.kv_heads, seq, config.head_dim).astype(values.dtype)
    keys = lax.dynamic_update_slice_in_dim(keys, k, positions[0], axis=1)
    values = lax.dynamic_update_slice_in_dim(values, v, positions[0], axis=1)
    seen_keys, seen_values = (k, v) if fresh else (keys, values)
    scores = summed("nqd,nsd->nqs", q, seen_keys) * np.float32(config.head_dim**-0.5)
    last = jnp.tile(positions, config.heads // config.kv_heads)[:, None]
    causal = jnp.arange(seen_keys.shape[1], dtype=jnp.int32) <= last
    probabilities = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf), axis=-1).astype(values.dtype)
    mixed = summed("nqs,nsd->nqd", probabilities, seen_values).reshape(batch, config.heads, seq, -1)
    return mixed.swapaxes(1, 2).reshape(batch, seq, -1).astype(values.dtype), keys, values


def rotated(x: Float[Array, "batch heads seq head_dim"], cos: Array, sin: Array) -> Array:
    real, imaginary = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1)


def normalised(x: Float[Array, "... dim"], gain: Float[Array, " dim"], config: LlamaConfig) -> Float[Array, "... dim"]:
    """RMSNorm of float32 activations, in the dtype of the weights."""
    mean_square = jnp.mean(x * x, axis=-1, keepdims=True)
    return (x * lax.rsqrt(mean_square + config.norm_eps) * gain.astype(jnp.float32)).astype(gain.dtype)


def product(x: Float[Array, "... in"], weights: Float[Array, "in out"]) -> Float[Array, "... out"]:
    return summed("...i,io->...o", x, weights)


def summed(equation: str, left: Array, right: Array) -> Array:
    """A product of arrays in float32. HIGHEST, or accelerators would round float32 factors to fewer bits."""
    return jnp.einsum(equation, left, right, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32)

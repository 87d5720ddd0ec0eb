"""Llama in float32 NumPy with little between the products: fused weights, features first, buffers made once.

Activations are `[features, columns]` with a column for each token, so a product is `weights @ columns` with weights
`[out, in]`, as they are stored: of all forms the one that OpenBLAS packs at least cost. Heads need no transposing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from ..checks import check_parameters, check_rewind, checked_prompt, checked_token
from ..config import LlamaConfig
from ..rotary.tables import rope_tables

Array = np.ndarray
ALIGNMENT = 64
# Below this size OpenBLAS multiplies a matrix by a vector in one thread and at half the rate of row-wise dot products.
STREAMED = 1 << 21
# Queries a block: a block skips the keys behind it, and its scores stay in the L2 cache.
BLOCK = 128


@dataclass(frozen=True, eq=False)
class Cache:
    """Keys and values of the first `length` positions, for each layer. What lies behind them is not looked at."""

    keys_values: Float32[Array, "layers 2 batch kv_heads context head_dim"]
    length: int = 0

    @property
    def batch(self) -> int:
        return self.keys_values.shape[2]

    def rewind(self, length: int) -> Cache:
        """The cache as it was at `length` positions; ValueError if it never was."""
        check_rewind(length, self)
        return replace(self, length=length)


class Layers(NamedTuple):
    """The weights of all layers, the gains of their norms and the constants of attention and SiLU multiplied in.

    One array a kind: memory of more than 4 MiB comes in huge pages, which makes a step 8 % faster.
    """

    qkv: Float32[Array, "layers qkv dim"]
    output: Float32[Array, "layers dim queries"]
    gate_up: Float32[Array, "layers two_ffn_dim dim"]
    down: Float32[Array, "layers dim ffn_dim"]


class Buffers:
    """What a step of `batch` rows and `seq` tokens a row writes to, `columns = batch * seq`."""

    def __init__(self, config: LlamaConfig, batch: int, seq: int) -> None:
        self.batch, self.seq = batch, seq
        columns, group = batch * seq, config.heads // config.kv_heads
        queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.hidden = empty(config.dim, columns)
        self.normed = empty(config.dim, columns)
        self.change = empty(config.dim, columns)
        self.size = empty(1, columns)
        self.qkv = empty(queries + 2 * keys, columns)
        self.turned = empty(config.heads + config.kv_heads, 2, config.head_dim // 2, batch, seq)
        self.gate_up = empty(2 * config.ffn_dim, columns)
        self.gate, self.up = np.split(self.gate_up, 2)
        self.silu = empty(config.ffn_dim, columns)
        # Views of the same memory, by head: what is turned, and the parts in the order that cache and products want.
        self.to_turn = self.qkv[: queries + keys].reshape(self.turned.shape)
        split = (config.kv_heads, group, config.head_dim, batch, seq)
        self.q = self.qkv[:queries].reshape(split).transpose(3, 0, 2, 4, 1)
        self.keys_values = self.qkv[queries:].reshape(2, -1, config.head_dim, batch, seq).transpose(0, 3, 1, 4, 2)
        self.queries = empty(batch, config.kv_heads, config.head_dim, seq * group)
        self.mixed = empty(batch, config.kv_heads, config.head_dim, seq * group)
        self.output = empty(queries, columns)
        self.grouped_output = self.output.reshape(split).transpose(3, 0, 2, 4, 1)
        self.scores = empty(batch * config.kv_heads * min(seq, BLOCK) * group * config.context)
        self.total = empty(batch, config.kv_heads, 1, min(seq, BLOCK) * group)


def load(params: Mapping[str, Array], config: LlamaConfig) -> Llama:
    """The model of these parameters, which must be float32. ValueError if any does not fit.

    Holds copies of the weights; of a tied head too, which it wants transposed. A model runs one step at a time.
    """
    check_parameters(params, config, ("float32",))
    return Llama(params, config)


class Llama:
    def __init__(self, params: Mapping[str, Array], config: LlamaConfig) -> None:
        self.config = config
        self.embedding = params["model.embed_tokens.weight"]
        head = self.embedding if config.tied else params["lm_head.weight"]
        self.head = aligned((head * params["model.norm.weight"]).T)
        self.layers = fused(params, config)
        cos, sin = rope_tables(config, np.float32)
        # By head half, so that one multiplication by each and one addition turn all heads of queries and keys.
        self.cos = aligned(np.stack([cos.T, cos.T]))[:, :, None]
        self.sin = aligned(np.stack([-sin.T, sin.T]))[:, :, None]
        self.mean = np.full((1, config.dim), 1 / config.dim, np.float32)
        group = config.heads // config.kv_heads
        self.mask = np.repeat(np.tril(np.full((BLOCK, BLOCK), -np.inf, np.float32), -1), group, axis=1)
        self.buffers = Buffers(config, 1, 1)

    def prefill(
        self, tokens: Int[Any, "batch tokens"], cache: Cache | None = None
    ) -> tuple[Float32[Array, "batch vocab_size"], Cache]:
        """Logits of the last position of a prompt, or of what continues the text in `cache`; and the filled cache."""
        tokens = checked_prompt(tokens, self.config, cache)
        return self._step(tokens, cache or self._empty_cache(len(tokens)))

    def decode(self, token: Int[Any, " batch"], cache: Cache) -> tuple[Float32[Array, "batch vocab_size"], Cache]:
        """Logits after one more token a row, which takes position `cache.length`; and the cache with it."""
        return self._step(checked_token(token, self.config, cache)[:, None], cache)

    def _empty_cache(self, batch: int) -> Cache:
        config = self.config
        return Cache(empty(config.layers, 2, batch, config.kv_heads, config.context, config.head_dim))

    def _step(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float32[Array, "batch vocab_size"], Cache]:
        batch, seq = tokens.shape
        if (batch, seq) != (self.buffers.batch, self.buffers.seq):
            self.buffers = Buffers(self.config, batch, seq)
        buffers = self.buffers
        end = cache.length + seq
        cos, sin = self.cos[..., cache.length : end], self.sin[..., cache.length : end]
        buffers.hidden[...] = self.embedding[tokens.reshape(-1)].T
        for qkv, output, gate_up, down, keys_values in zip(*self.layers, cache.keys_values, strict=True):
            self._normalise()
            product(qkv, buffers.normed, buffers.qkv)
            self._attend(cos, sin, keys_values, cache.length, end)
            product(output, buffers.output, buffers.change)
            np.add(buffers.hidden, buffers.change, out=buffers.hidden)
            self._normalise()
            product(gate_up, buffers.normed, buffers.gate_up)
            self._activate()
            product(down, buffers.silu, buffers.change)
            np.add(buffers.hidden, buffers.change, out=buffers.hidden)
        self._normalise()
        last = np.ascontiguousarray(buffers.normed[:, seq - 1 :: seq].T)
        return last @ self.head, replace(cache, length=end)

    def _normalise(self) -> None:
        """`normed = hidden / rms(hidden)`, by column."""
        buffers = self.buffers
        np.multiply(buffers.hidden, buffers.hidden, out=buffers.normed)
        np.matmul(self.mean, buffers.normed, out=buffers.size)
        np.add(buffers.size, self.config.norm_eps, out=buffers.size)
        np.sqrt(buffers.size, out=buffers.size)
        np.divide(buffers.hidden, buffers.size, out=buffers.normed)

    def _activate(self) -> None:
        """`silu(gate) * up` where half the gate is stored: `silu(2 g) = g + g * tanh(g)`, which never overflows."""
        gate, silu = self.buffers.gate, self.buffers.silu
        np.tanh(gate, out=silu)
        np.multiply(silu, gate, out=silu)
        np.add(silu, gate, out=silu)
        np.multiply(silu, self.buffers.up, out=silu)

    def _attend(self, cos: Array, sin: Array, keys_values: Array, start: int, end: int) -> None:
        """`output` from `qkv`: turn, append to the layer's cache, and mix the values of the positions so far."""
        buffers, heads = self.buffers, self.buffers.to_turn
        np.multiply(heads[:, ::-1], sin, out=buffers.turned)
        np.multiply(heads, cos, out=heads)
        np.add(heads, buffers.turned, out=heads)
        keys_values[:, :, :, start:end] = buffers.keys_values
        buffers.queries.reshape(buffers.q.shape)[...] = buffers.q
        group = self.config.heads // self.config.kv_heads
        for first in range(0, buffers.seq, BLOCK):
            last = min(first + BLOCK, buffers.seq)
            self._mix(*keys_values[:, :, :, : start + last], last - first, slice(first * group, last * group))
        buffers.grouped_output[...] = buffers.mixed.reshape(buffers.q.shape)

    def _mix(self, keys: Array, values: Array, block: int, columns: slice) -> None:
        """Attention of the queries in `columns`, the last `block` positions of `keys` and `values`."""
        buffers = self.buffers
        queries = buffers.queries[..., columns]
        shape = (*keys.shape[:3], queries.shape[3])
        scores = buffers.scores[: math.prod(shape)].reshape(shape)
        np.matmul(keys, queries, out=scores)
        if block > 1:
            latest = scores[:, :, -block:]
            np.add(latest, self.mask[:block, : latest.shape[3]], out=latest)
        total = buffers.total[..., : shape[3]]
        np.maximum.reduce(scores, axis=2, keepdims=True, out=total)
        np.subtract(scores, total, out=scores)
        np.exp(scores, out=scores)
        np.add.reduce(scores, axis=2, keepdims=True, out=total)
        mixed = buffers.mixed[..., columns]
        np.matmul(values.swapaxes(2, 3), scores, out=mixed)
        np.divide(mixed, total, out=mixed)


def fused(params: Mapping[str, Array], config: LlamaConfig) -> Layers:
    """The weights by layer, those that read the same input in one matrix."""
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    fused = Layers(
        empty(config.layers, queries + 2 * keys, config.dim),
        empty(config.layers, config.dim, queries),
        empty(config.layers, 2 * config.ffn_dim, config.dim),
        empty(config.layers, config.dim, config.ffn_dim),
    )
    for layer in range(config.layers):

        def weight(name: str, block: str = f"model.layers.{layer}") -> Array:
            return params[f"{block}.{name}.weight"]

        q, k, v = np.split(fused.qkv[layer], [queries, queries + keys])
        gate, up = np.split(fused.gate_up[layer], 2)
        attention_gain, feed_forward_gain = weight("input_layernorm"), weight("post_attention_layernorm")
        np.multiply(weight("self_attn.q_proj"), attention_gain * np.float32(config.head_dim**-0.5), out=q)
        np.multiply(weight("self_attn.k_proj"), attention_gain, out=k)
        np.multiply(weight("self_attn.v_proj"), attention_gain, out=v)
        fused.output[layer] = weight("self_attn.o_proj")
        np.multiply(weight("mlp.gate_proj"), feed_forward_gain * np.float32(0.5), out=gate)
        np.multiply(weight("mlp.up_proj"), feed_forward_gain, out=up)
        fused.down[layer] = weight("mlp.down_proj")
    return fused


def product(weights: Float32[Array, "out in"], columns: Float32[Array, "in columns"], out: Array) -> None:
    """`weights @ columns`."""
    if columns.shape[1] == 1 and weights.size < STREAMED:
        np.vecdot(weights, columns[:, 0], out=out[:, 0])
    else:
        np.matmul(weights, columns, out=out)


def empty(*shape: int) -> Array:
    """A float32 array that begins on a cache line: where one happens to lie moves the time of a step by per cents."""
    size = math.prod(shape) * 4
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(np.float32).reshape(shape)


def aligned(array: Array) -> Array:
    copy = empty(*array.shape)
    copy[...] = array
    return copy

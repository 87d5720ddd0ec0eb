"""Llama in float32 NumPy with little between the products: fused weights, features first, buffers made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from ..checks import check_parameters
from ..config import LlamaConfig
from ..features_first import model
from ..features_first.arrays import aligned, empty, product
from ..features_first.cache import Cache
from ..parts import ATTENTION, EMBEDDING, FEED_FORWARD, LAYERS, part
from ..rotary.tables import rope_tables

Array = np.ndarray


class Layers(NamedTuple):
    """The weights of all layers, the gains of their norms and the constants of attention and SiLU multiplied in.

    One array a kind: memory of more than 4 MiB comes in huge pages, which makes a step 8 % faster.
    """

    qkv: Float32[Array, "layers qkv dim"]
    output: Float32[Array, "layers dim queries"]
    gate_up: Float32[Array, "layers two_ffn_dim dim"]
    down: Float32[Array, "layers dim ffn_dim"]


class Buffers(model.Buffers):
    def __init__(self, config: LlamaConfig, batch: int, seq: int) -> None:
        super().__init__(config, batch, seq)
        self.turned = empty(config.heads + config.kv_heads, 2, config.head_dim // 2, batch, seq)
        self.to_turn = self.attention.qkv[: -config.kv_heads * config.head_dim].reshape(self.turned.shape)
        self.gate_up = empty(2 * config.ffn_dim, batch * seq)
        self.gate, self.up = np.split(self.gate_up, 2)
        self.silu = empty(config.ffn_dim, batch * seq)


def load(params: Mapping[str, Array], config: LlamaConfig) -> Llama:
    """The model of these parameters, which must be float32. ValueError if any does not fit.

    Holds copies of the weights; of a tied head too, which it wants transposed. A model runs one step at a time.
    """
    check_parameters(params, config, ("float32",))
    return Llama(params, config)


class Llama(model.FeaturesFirst):
    Buffers = Buffers

    def __init__(self, params: Mapping[str, Array], config: LlamaConfig) -> None:
        self.embedding = params["model.embed_tokens.weight"]
        head = self.embedding if config.tied else params["lm_head.weight"]
        super().__init__(config, aligned((head * params["model.norm.weight"]).T))
        self.layers = fused(params, config)
        cos, sin = rope_tables(config, np.float32)
        # By head half, so that one multiplication by each and one addition turn all heads of queries and keys.
        self.cos = aligned(np.stack([cos.T, cos.T]))
        self.sin = aligned(np.stack([-sin.T, sin.T]))

    @part(EMBEDDING)
    def _embed(self, tokens: Int[Array, "batch seq"], positions: Any) -> None:
        self.buffers.hidden[...] = self.embedding[tokens.reshape(-1)].T

    @part(LAYERS)
    def _run_layers(self, cache: Cache, positions: Any) -> None:
        cos, sin = self._tables(positions)
        for layer, (qkv, output, gate_up, down) in enumerate(zip(*self.layers, strict=True)):
            self._attend(qkv, output, cos, sin, cache, layer)
            self._feed_forward(gate_up, down)

    def _tables(self, positions: Any) -> tuple[Array, Array]:
        """Cosines and sines as `[2, half, rows, seq]`, where all rows are one if they have the same positions."""
        cos, sin = self.cos[..., positions], self.sin[..., positions]
        return (cos[:, :, None], sin[:, :, None]) if isinstance(positions, slice) else (cos, sin)

    @part(ATTENTION)
    def _attend(self, qkv: Array, output: Array, cos: Array, sin: Array, cache: Cache, layer: int) -> None:
        buffers = self.buffers
        self._normalise()
        product(qkv, buffers.normed, buffers.attention.qkv)
        np.multiply(buffers.to_turn[:, ::-1], sin, out=buffers.turned)
        np.multiply(buffers.to_turn, cos, out=buffers.to_turn)
        np.add(buffers.to_turn, buffers.turned, out=buffers.to_turn)
        buffers.attention.mix(cache, layer)
        product(output, buffers.attention.output, buffers.change)
        np.add(buffers.hidden, buffers.change, out=buffers.hidden)

    @part(FEED_FORWARD)
    def _feed_forward(self, gate_up: Array, down: Array) -> None:
        """Half the gate is stored: `silu(2 g) = g + g * tanh(g)`, which never overflows."""
        buffers = self.buffers
        gate, silu = buffers.gate, buffers.silu
        self._normalise()
        product(gate_up, buffers.normed, buffers.gate_up)
        np.tanh(gate, out=silu)
        np.multiply(silu, gate, out=silu)
        np.add(silu, gate, out=silu)
        np.multiply(silu, buffers.up, out=silu)
        product(down, silu, buffers.change)
        np.add(buffers.hidden, buffers.change, out=buffers.hidden)


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

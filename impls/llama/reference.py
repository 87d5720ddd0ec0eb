"""Llama in plain NumPy, as one reads it in a paper. In float64 it is the oracle of every other implementation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from ..checks import check_parameters
from ..config import LlamaConfig
from ..parts import ATTENTION, EMBEDDING, FEED_FORWARD, HEAD, LAYERS, part
from ..reference_model import Cache, ReferenceModel, positions, seen_mask
from ..rmsnorm.reference import rmsnorm
from ..rope.reference import rope
from ..rotary.tables import rope_tables
from ..softmax.reference import softmax
from ..swiglu.reference import swiglu

Array = np.ndarray
Parameters = Mapping[str, np.ndarray]


def load(params: Parameters, config: LlamaConfig) -> Llama:
    """The model of these parameters, in their dtype: float32, bfloat16 or float64. ValueError if any does not fit."""
    check_parameters(params, config, ("float32", "bfloat16", "float64"))
    return Llama(params, config)


class Llama(ReferenceModel):
    """`LlamaForCausalLM` (Touvron et al. 2023, arXiv 2302.13971; grouped-query attention: 2305.13245)."""

    def __init__(self, params: Parameters, config: LlamaConfig) -> None:
        super().__init__(config, params["model.embed_tokens.weight"])
        self.params = params
        self.head = self.embedding if config.tied else params["lm_head.weight"]
        self.cos, self.sin = rope_tables(config, self.embedding.dtype)

    @part(EMBEDDING)
    def _embed(self, tokens: Int[Array, "batch seq"], cache: Cache) -> Float[Array, "batch seq dim"]:
        return self.embedding[tokens]

    @part(LAYERS)
    def _run_layers(self, x: Float[Array, "batch seq dim"], cache: Cache) -> Float[Array, "batch seq dim"]:
        for layer in range(self.config.layers):
            block = f"model.layers.{layer}"
            x = x + self._attention(block, self._norm(f"{block}.input_layernorm", x), cache, layer)
            x = x + self._feed_forward(block, self._norm(f"{block}.post_attention_layernorm", x))
        return x

    @part(ATTENTION)
    def _attention(
        self, block: str, x: Float[Array, "batch seq dim"], cache: Cache, layer: int
    ) -> Float[Array, "batch seq dim"]:
        config, (batch, seq, _) = self.config, x.shape
        start, end = cache.length, cache.length + seq
        q = self._linear(f"{block}.self_attn.q_proj", x).reshape(batch, seq, config.heads, config.head_dim)
        k = self._linear(f"{block}.self_attn.k_proj", x).reshape(batch, seq, config.kv_heads, config.head_dim)
        v = self._linear(f"{block}.self_attn.v_proj", x).reshape(batch, seq, config.kv_heads, config.head_dim)

        at = positions(cache, seq).reshape(-1)
        # Each token has a position of its own, so they are turned as if all were of one text.
        cos, sin, alone = self.cos[at], self.sin[at], (batch * seq, -1, config.head_dim)
        q = rope(q.reshape(alone), cos, sin).reshape(q.shape)
        cache.keys[layer, :, start:end] = rope(k.reshape(alone), cos, sin).reshape(k.shape)
        cache.values[layer, :, start:end] = v
        keys = repeat_kv(cache.keys[layer, :, :end], config.heads // config.kv_heads)
        values = repeat_kv(cache.values[layer, :, :end], config.heads // config.kv_heads)

        q, keys, values = (widened(array).transpose(0, 2, 1, 3) for array in (q, keys, values))
        scores = q @ keys.swapaxes(2, 3) / np.sqrt(config.head_dim).astype(q.dtype)  # [batch, heads, seq, end]
        probabilities = softmax(scores + seen_mask(cache, seq).astype(q.dtype))
        mixed = (probabilities @ values).transpose(0, 2, 1, 3)  # [batch, seq, heads, head_dim]
        return self._linear(f"{block}.self_attn.o_proj", mixed.reshape(batch, seq, -1).astype(x.dtype))

    @part(FEED_FORWARD)
    def _feed_forward(self, block: str, x: Float[Array, "batch seq dim"]) -> Float[Array, "batch seq dim"]:
        weights = (self.params[f"{block}.mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
        return swiglu(x.reshape(-1, self.config.dim), *weights).reshape(x.shape)

    @part(HEAD)
    def _logits(self, hidden: Float[Array, "... dim"]) -> Float[Array, "... vocab_size"]:
        return linear(self._norm("model.norm", hidden), self.head)

    def _norm(self, name: str, x: Float[Array, "... dim"]) -> Float[Array, "... dim"]:
        return rmsnorm(x, self.params[f"{name}.weight"], self.config.norm_eps)

    def _linear(self, name: str, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        return linear(x, self.params[f"{name}.weight"])


def linear(x: Float[Array, "... in"], weight: Float[Array, "out in"]) -> Float[Array, "... out"]:
    """`x @ weight.T`, rounded once; as one product of two matrices, which BLAS does faster than a stack of them."""
    rows = widened(x).reshape(-1, x.shape[-1])
    return (rows @ widened(weight).T).astype(x.dtype, copy=False).reshape(*x.shape[:-1], -1)


def widened(array: Array) -> Array:
    """bfloat16 as float32, in which its products are computed: NumPy has none of its own. Others stay."""
    return array.astype(np.result_type(array.dtype, np.float32), copy=False)


def repeat_kv(x: Float[Array, "batch seq kv_heads head_dim"], repeats: int) -> Float[Array, "batch seq heads head_dim"]:
    """Each head of keys or values as often as there are query heads that share it."""
    return x if repeats == 1 else np.repeat(x, repeats, axis=2)

"""Llama in plain NumPy, as one reads it in a paper. In float64 it is the oracle of every other implementation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..checks import check_parameters, check_rewind, checked_prompt, checked_token
from ..config import LlamaConfig
from ..rmsnorm.reference import rmsnorm
from ..rope.reference import rope
from ..rotary.tables import rope_tables
from ..softmax.reference import softmax
from ..swiglu.reference import swiglu

Array = np.ndarray
Parameters = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Cache:
    """Keys and values of the first `length` positions, for each layer. What lies behind them is not looked at."""

    keys: Float[Array, "layers batch context kv_heads head_dim"]
    values: Float[Array, "layers batch context kv_heads head_dim"]
    length: int = 0

    @property
    def batch(self) -> int:
        return self.keys.shape[1]

    def rewind(self, length: int) -> Cache:
        """The cache as it was at `length` positions; ValueError if it never was."""
        check_rewind(length, self)
        return replace(self, length=length)


def load(params: Parameters, config: LlamaConfig) -> Llama:
    """The model of these parameters, in their dtype: float32, bfloat16 or float64. ValueError if any does not fit."""
    check_parameters(params, config, ("float32", "bfloat16", "float64"))
    return Llama(params, config)


class Llama:
    """`LlamaForCausalLM` (Touvron et al. 2023, arXiv 2302.13971; grouped-query attention: 2305.13245)."""

    def __init__(self, params: Parameters, config: LlamaConfig) -> None:
        self.params, self.config = params, config
        self.embedding = params["model.embed_tokens.weight"]
        self.head = self.embedding if config.tied else params["lm_head.weight"]
        self.cos, self.sin = rope_tables(config, self.embedding.dtype)

    def prefill(
        self, tokens: Int[Any, "batch tokens"], cache: Cache | None = None
    ) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits of the last position of a prompt, or of what continues the text in `cache`; and the filled cache."""
        tokens = checked_prompt(tokens, self.config, cache)
        hidden, cache = self._run(tokens, cache or self._empty_cache(len(tokens)))
        return self._logits(hidden[:, -1]), cache

    def decode(self, token: Int[Any, " batch"], cache: Cache) -> tuple[Float[Array, "batch vocab_size"], Cache]:
        """Logits after one more token a row, which takes position `cache.length`; and the cache with it."""
        hidden, cache = self._run(checked_token(token, self.config, cache)[:, None], cache)
        return self._logits(hidden[:, -1]), cache

    def forward(self, tokens: Int[Any, "batch tokens"]) -> Float[Array, "batch tokens vocab_size"]:
        """Logits of every position: what the whole text makes of each of its beginnings."""
        tokens = checked_prompt(tokens, self.config, None)
        hidden, _ = self._run(tokens, self._empty_cache(len(tokens)))
        return self._logits(hidden)

    def _empty_cache(self, batch: int) -> Cache:
        config = self.config
        shape = (config.layers, batch, config.context, config.kv_heads, config.head_dim)
        return Cache(np.zeros(shape, self.embedding.dtype), np.zeros(shape, self.embedding.dtype))

    def _run(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch seq dim"], Cache]:
        x = self.embedding[tokens]
        for layer in range(self.config.layers):
            block = f"model.layers.{layer}"
            x = x + self._attention(block, self._norm(f"{block}.input_layernorm", x), cache, layer)
            x = x + self._feed_forward(block, self._norm(f"{block}.post_attention_layernorm", x))
        return x, replace(cache, length=cache.length + tokens.shape[1])

    def _attention(
        self, block: str, x: Float[Array, "batch seq dim"], cache: Cache, layer: int
    ) -> Float[Array, "batch seq dim"]:
        config, (batch, seq, _) = self.config, x.shape
        start, end = cache.length, cache.length + seq
        q = self._linear(f"{block}.self_attn.q_proj", x).reshape(batch, seq, config.heads, config.head_dim)
        k = self._linear(f"{block}.self_attn.k_proj", x).reshape(batch, seq, config.kv_heads, config.head_dim)
        v = self._linear(f"{block}.self_attn.v_proj", x).reshape(batch, seq, config.kv_heads, config.head_dim)

        cos, sin = self.cos[start:end], self.sin[start:end]
        q = rope(q, cos, sin)
        cache.keys[layer, :, start:end] = rope(k, cos, sin)
        cache.values[layer, :, start:end] = v
        keys = repeat_kv(cache.keys[layer, :, :end], config.heads // config.kv_heads)
        values = repeat_kv(cache.values[layer, :, :end], config.heads // config.kv_heads)

        q, keys, values = (widened(array).transpose(0, 2, 1, 3) for array in (q, keys, values))
        scores = q @ keys.swapaxes(2, 3) / np.sqrt(config.head_dim).astype(q.dtype)  # [batch, heads, seq, end]
        probabilities = softmax(scores + causal_mask(start, end).astype(q.dtype))
        mixed = (probabilities @ values).transpose(0, 2, 1, 3)  # [batch, seq, heads, head_dim]
        return self._linear(f"{block}.self_attn.o_proj", mixed.reshape(batch, seq, -1).astype(x.dtype))

    def _feed_forward(self, block: str, x: Float[Array, "batch seq dim"]) -> Float[Array, "batch seq dim"]:
        weights = (self.params[f"{block}.mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
        return swiglu(x.reshape(-1, self.config.dim), *weights).reshape(x.shape)

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


def causal_mask(start: int, end: int) -> Float[Array, "seq end"]:
    """Added to scores: -inf where a key's position comes after the query's, which are those from `start` on."""
    return np.triu(np.full((end - start, end), -np.inf), k=start + 1)

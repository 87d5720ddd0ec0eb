"""GPT-2 in plain NumPy, as one reads it in a paper. In float64 it is the oracle of every other implementation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..checks import check_parameters, check_rewind, checked_prompt, checked_token
from ..gpt2_config import GPT2Config
from ..gpt2_mlp.reference import gpt2_mlp
from ..layernorm.reference import layernorm
from ..llama.reference import causal_mask, linear, widened
from ..softmax.reference import softmax

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Cache:
    """Keys and values of the first `length` positions, for each layer. What lies behind them is not looked at."""

    keys: Float[Array, "layers batch context heads head_dim"]
    values: Float[Array, "layers batch context heads head_dim"]
    length: int = 0

    @property
    def batch(self) -> int:
        return self.keys.shape[1]

    def rewind(self, length: int) -> Cache:
        """The cache as it was at `length` positions; ValueError if it never was."""
        check_rewind(length, self)
        return replace(self, length=length)


def load(params: Mapping[str, Array], config: GPT2Config) -> GPT2:
    """The model of these parameters, in their dtype: float32, bfloat16 or float64. ValueError if any does not fit."""
    check_parameters(params, config, ("float32", "bfloat16", "float64"))
    return GPT2(params, config)


class GPT2:
    """`GPT2LMHeadModel` (Radford et al. 2019, Language Models are Unsupervised Multitask Learners)."""

    def __init__(self, params: Mapping[str, Array], config: GPT2Config) -> None:
        self.params, self.config = params, config
        self.embedding = params["wte.weight"]

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
        shape = (config.layers, batch, config.context, config.heads, config.head_dim)
        return Cache(np.zeros(shape, self.embedding.dtype), np.zeros(shape, self.embedding.dtype))

    def _run(self, tokens: Int[Array, "batch seq"], cache: Cache) -> tuple[Float[Array, "batch seq dim"], Cache]:
        end = cache.length + tokens.shape[1]
        x = self.embedding[tokens] + self.params["wpe.weight"][cache.length : end]
        for layer in range(self.config.layers):
            block = f"h.{layer}"
            x = x + self._attention(block, self._norm(f"{block}.ln_1", x), cache, layer)
            x = x + self._feed_forward(f"{block}.mlp", self._norm(f"{block}.ln_2", x))
        return x, replace(cache, length=end)

    def _attention(
        self, block: str, x: Float[Array, "batch seq dim"], cache: Cache, layer: int
    ) -> Float[Array, "batch seq dim"]:
        config, (batch, seq, dim) = self.config, x.shape
        start, end = cache.length, cache.length + seq
        q, k, v = np.split(self._conv1d(f"{block}.attn.c_attn", x), 3, axis=-1)
        heads = (batch, seq, config.heads, config.head_dim)
        cache.keys[layer, :, start:end] = k.reshape(heads)
        cache.values[layer, :, start:end] = v.reshape(heads)
        seen = (q.reshape(heads), cache.keys[layer, :, :end], cache.values[layer, :, :end])
        q, keys, values = (widened(array).transpose(0, 2, 1, 3) for array in seen)
        scores = q @ keys.swapaxes(2, 3) / np.sqrt(config.head_dim).astype(q.dtype)  # [batch, heads, seq, end]
        probabilities = softmax(scores + causal_mask(start, end).astype(q.dtype))
        mixed = (probabilities @ values).transpose(0, 2, 1, 3)  # [batch, seq, heads, head_dim]
        return self._conv1d(f"{block}.attn.c_proj", mixed.reshape(batch, seq, dim).astype(x.dtype))

    def _feed_forward(self, block: str, x: Float[Array, "batch seq dim"]) -> Float[Array, "batch seq dim"]:
        inner, outer = f"{block}.c_fc", f"{block}.c_proj"
        weights = (self.params[f"{name}.weight"].T for name in (inner, outer))
        biases = (self.params[f"{name}.bias"] for name in (inner, outer))
        w_in, w_out, b_in, b_out = (*weights, *biases)
        return gpt2_mlp(x.reshape(-1, self.config.dim), w_in, b_in, w_out, b_out).reshape(x.shape)

    def _logits(self, hidden: Float[Array, "... dim"]) -> Float[Array, "... vocab_size"]:
        return linear(self._norm("ln_f", hidden), self.embedding)

    def _norm(self, name: str, x: Float[Array, "... dim"]) -> Float[Array, "... dim"]:
        return layernorm(x, self.params[f"{name}.weight"], self.params[f"{name}.bias"], self.config.norm_eps)

    def _conv1d(self, name: str, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        """Hugging Face's Conv1D: a matrix stored `[in, out]` and a bias, rounded once."""
        wide = widened(x)
        product = wide.reshape(-1, x.shape[-1]) @ widened(self.params[f"{name}.weight"])
        return (product + widened(self.params[f"{name}.bias"])).astype(x.dtype).reshape(*x.shape[:-1], -1)

"""GPT-2 in plain NumPy, as one reads it in a paper. In float64 it is the oracle of every other implementation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from ..checks import check_parameters
from ..gpt2_config import GPT2Config
from ..gpt2_mlp.reference import gpt2_mlp
from ..layernorm.reference import layernorm
from ..llama.reference import linear, widened
from ..parts import ATTENTION, EMBEDDING, FEED_FORWARD, HEAD, LAYERS, part
from ..reference_model import Cache, ReferenceModel, positions, seen_mask
from ..softmax.reference import softmax

Array = np.ndarray


def load(params: Mapping[str, Array], config: GPT2Config) -> GPT2:
    """The model of these parameters, in their dtype: float32, bfloat16 or float64. ValueError if any does not fit."""
    check_parameters(params, config, ("float32", "bfloat16", "float64"))
    return GPT2(params, config)


class GPT2(ReferenceModel):
    """`GPT2LMHeadModel` (Radford et al. 2019, Language Models are Unsupervised Multitask Learners)."""

    def __init__(self, params: Mapping[str, Array], config: GPT2Config) -> None:
        super().__init__(config, params["wte.weight"])
        self.params = params

    @part(EMBEDDING)
    def _embed(self, tokens: Int[Array, "batch seq"], cache: Cache) -> Float[Array, "batch seq dim"]:
        return self.embedding[tokens] + self.params["wpe.weight"][positions(cache, tokens.shape[1])]

    @part(LAYERS)
    def _run_layers(self, x: Float[Array, "batch seq dim"], cache: Cache) -> Float[Array, "batch seq dim"]:
        for layer in range(self.config.layers):
            block = f"h.{layer}"
            x = x + self._attention(block, self._norm(f"{block}.ln_1", x), cache, layer)
            x = x + self._feed_forward(f"{block}.mlp", self._norm(f"{block}.ln_2", x))
        return x

    @part(ATTENTION)
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
        probabilities = softmax(scores + seen_mask(cache, seq).astype(q.dtype))
        mixed = (probabilities @ values).transpose(0, 2, 1, 3)  # [batch, seq, heads, head_dim]
        return self._conv1d(f"{block}.attn.c_proj", mixed.reshape(batch, seq, dim).astype(x.dtype))

    @part(FEED_FORWARD)
    def _feed_forward(self, block: str, x: Float[Array, "batch seq dim"]) -> Float[Array, "batch seq dim"]:
        inner, outer = f"{block}.c_fc", f"{block}.c_proj"
        weights = (self.params[f"{name}.weight"].T for name in (inner, outer))
        biases = (self.params[f"{name}.bias"] for name in (inner, outer))
        w_in, w_out, b_in, b_out = (*weights, *biases)
        return gpt2_mlp(x.reshape(-1, self.config.dim), w_in, b_in, w_out, b_out).reshape(x.shape)

    @part(HEAD)
    def _logits(self, hidden: Float[Array, "... dim"]) -> Float[Array, "... vocab_size"]:
        return linear(self._norm("ln_f", hidden), self.embedding)

    def _norm(self, name: str, x: Float[Array, "... dim"]) -> Float[Array, "... dim"]:
        return layernorm(x, self.params[f"{name}.weight"], self.params[f"{name}.bias"], self.config.norm_eps)

    def _conv1d(self, name: str, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        """Hugging Face's Conv1D: a matrix stored `[in, out]` and a bias, rounded once."""
        wide = widened(x)
        product = wide.reshape(-1, x.shape[-1]) @ widened(self.params[f"{name}.weight"])
        return (product + widened(self.params[f"{name}.bias"])).astype(x.dtype).reshape(*x.shape[:-1], -1)

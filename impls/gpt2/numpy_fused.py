"""GPT-2 in float32 NumPy with little between the products: fused weights, features first, buffers made once.

LayerNorm is the only reader of what layers add up, and it takes the mean away; so here nothing that has a mean is added
to begin with (Ashkboos et al. 2024, arXiv 2401.15024), and what is left of LayerNorm is a division by the root mean
square. Its gain and bias are folded into the product that follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from ..checks import check_parameters
from ..features_first import model
from ..features_first.arrays import aligned, empty, product
from ..features_first.cache import Cache
from ..gpt2_config import GPT2Config
from ..parts import ATTENTION, EMBEDDING, FEED_FORWARD, LAYERS, part

Array = np.ndarray
# gelu_new(x) = x / 2 * (1 + tanh(LINEAR * x + CUBIC * x**3)). Of y = SCALE * x it is 1 / (2 * SCALE) times
# y + y * tanh(y * (y * y + SHIFT)), in two passes less; the factors are those of the products around it.
LINEAR = math.sqrt(2 / math.pi)
CUBIC = LINEAR * 0.044715
SCALE = CUBIC ** (1 / 3)
SHIFT = np.float32(LINEAR / SCALE)


class Layers(NamedTuple):
    """The weights of all layers, `[out, in]`, with norms and constants folded in; one array a kind, as in Llama's."""

    qkv: Float32[Array, "layers qkv dim"]
    qkv_bias: Float32[Array, "layers qkv 1"]
    output: Float32[Array, "layers dim dim"]
    output_bias: Float32[Array, "layers dim 1"]
    inner: Float32[Array, "layers ffn_dim dim"]
    inner_bias: Float32[Array, "layers ffn_dim 1"]
    outer: Float32[Array, "layers dim ffn_dim"]
    outer_bias: Float32[Array, "layers dim 1"]


class Buffers(model.Buffers):
    def __init__(self, config: GPT2Config, batch: int, seq: int) -> None:
        super().__init__(config, batch, seq)
        self.inner = empty(config.ffn_dim, batch * seq)
        self.gelu = empty(config.ffn_dim, batch * seq)


def load(params: Mapping[str, Array], config: GPT2Config) -> GPT2:
    """The model of these parameters, which must be float32. ValueError if any does not fit.

    Holds copies of the weights, the embedding among them, which the head wants transposed. A model runs one step at a
    time.
    """
    check_parameters(params, config, ("float32",))
    return GPT2(params, config)


class GPT2(model.FeaturesFirst):
    Buffers = Buffers

    def __init__(self, params: Mapping[str, Array], config: GPT2Config) -> None:
        self.embedding, self.places = params["wte.weight"], params["wpe.weight"]
        head = aligned((self.embedding * params["ln_f.weight"]).T)
        super().__init__(config, head, self.embedding @ params["ln_f.bias"])
        self.layers = fused(params, config)

    @part(EMBEDDING)
    def _embed(self, tokens: Int[Array, "batch seq"], positions: Any) -> None:
        x = self.embedding[tokens] + self.places[positions]
        np.subtract(x, x.mean(axis=-1, keepdims=True), out=x)
        self.buffers.hidden[...] = x.reshape(-1, x.shape[-1]).T

    @part(LAYERS)
    def _run_layers(self, cache: Cache, positions: Any) -> None:
        for layer, weights in enumerate(zip(*self.layers, strict=True)):
            self._attend(*weights[:4], cache, layer)
            self._feed_forward(*weights[4:])

    @part(ATTENTION)
    def _attend(self, qkv: Array, qkv_bias: Array, output: Array, output_bias: Array, cache: Cache, layer: int) -> None:
        buffers, attention = self.buffers, self.buffers.attention
        self._normalise()
        product(qkv, buffers.normed, attention.qkv)
        np.add(attention.qkv, qkv_bias, out=attention.qkv)
        attention.mix(cache, layer)
        product(output, attention.output, buffers.change)
        self._add_change(output_bias)

    @part(FEED_FORWARD)
    def _feed_forward(self, inner: Array, inner_bias: Array, outer: Array, outer_bias: Array) -> None:
        buffers = self.buffers
        y, gelu = buffers.inner, buffers.gelu
        self._normalise()
        product(inner, buffers.normed, y)
        np.add(y, inner_bias, out=y)
        np.multiply(y, y, out=gelu)
        np.add(gelu, SHIFT, out=gelu)
        np.multiply(gelu, y, out=gelu)
        np.tanh(gelu, out=gelu)
        np.multiply(gelu, y, out=gelu)
        np.add(gelu, y, out=gelu)
        product(outer, gelu, buffers.change)
        self._add_change(outer_bias)

    def _add_change(self, bias: Array) -> None:
        buffers = self.buffers
        np.add(buffers.change, bias, out=buffers.change)
        np.add(buffers.hidden, buffers.change, out=buffers.hidden)


def fused(params: Mapping[str, Array], config: GPT2Config) -> Layers:
    """The weights by layer: behind a norm times its gain, before an addition without their mean over the features."""
    dim, ffn_dim, layers = config.dim, config.ffn_dim, config.layers
    fused = Layers(
        *(empty(layers, 3 * dim, dim), empty(layers, 3 * dim, 1), empty(layers, dim, dim), empty(layers, dim, 1)),
        *(empty(layers, ffn_dim, dim), empty(layers, ffn_dim, 1), empty(layers, dim, ffn_dim), empty(layers, dim, 1)),
    )
    for layer in range(layers):

        def linear(name: str, block: str = f"h.{layer}") -> tuple[Array, Array]:
            """A weight as `[out, in]`, and its bias."""
            return params[f"{block}.{name}.weight"].T, params[f"{block}.{name}.bias"]

        for norm, name, weight, bias in (
            ("ln_1", "attn.c_attn", fused.qkv, fused.qkv_bias),
            ("ln_2", "mlp.c_fc", fused.inner, fused.inner_bias),
        ):
            (gain, shift), (own_weight, own_bias) = linear(norm), linear(name)
            np.multiply(own_weight, gain, out=weight[layer])
            np.add(own_weight @ shift, own_bias, out=bias[layer, :, 0])
        for name, weight, bias in (
            ("attn.c_proj", fused.output, fused.output_bias),
            ("mlp.c_proj", fused.outer, fused.outer_bias),
        ):
            own_weight, own_bias = linear(name)
            np.subtract(own_weight, own_weight.mean(axis=0), out=weight[layer])
            np.subtract(own_bias, own_bias.mean(), out=bias[layer, :, 0])
    for array in (fused.qkv, fused.qkv_bias):
        array[:, :dim] *= np.float32(config.head_dim**-0.5)
    for array in (fused.inner, fused.inner_bias):
        array *= np.float32(SCALE)
    fused.outer[...] *= np.float32(0.5 / SCALE)
    return fused

"""GPT-2 for the compiled step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from ..checks import check_parameters
from ..gpt2_config import GPT2Config
from .architecture import Architecture, Matrices, places_of, shape_of, vectors_of
from .model import CompiledModel
from .weights import FORMATS, aligned, rounded, wide

Array = np.ndarray
EMBEDDING, POSITIONS = "wte.weight", "wpe.weight"
MATRICES = Matrices("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


def load_gpt2(params: Mapping[str, Array], config: GPT2Config, format_name: str) -> CompiledModel:
    """The model with its weights packed in a format of `weights.FORMATS`. ValueError if a parameter does not fit."""
    check_parameters(params, config, (FORMATS[format_name].parameters,))
    return CompiledModel(_architecture(params, config), config, format_name)


def rounded_gpt2(params: Mapping[str, Array], config: GPT2Config, format_name: str) -> dict[str, Array]:
    """The parameters as the format holds them, in float32; positions, biases and norms stay as they are."""
    check_parameters(params, config, (FORMATS[format_name].parameters,))
    held, places = dict(params), places_of(config, gated=False, turned=False)
    for layer in range(config.layers):
        for kind, place in zip(MATRICES, places, strict=True):
            name = f"h.{layer}.{kind}.weight"
            held[name] = np.ascontiguousarray(rounded(format_name, params[name].T, place).T)
    held[EMBEDDING] = rounded(format_name, params[EMBEDDING])
    return held


def _architecture(params: Mapping[str, Array], config: GPT2Config) -> Architecture:
    def matrices(layer: int) -> Matrices:
        return Matrices(*(params[f"h.{layer}.{name}.weight"].T for name in MATRICES))

    def norm(name: str) -> list[Float[Array, " dim"]]:
        return [params[f"{name}.weight"].astype(np.float32), params[f"{name}.bias"].astype(np.float32)]

    layers = range(config.layers)
    norms = [np.stack([*norm(f"h.{layer}.ln_1"), *norm(f"h.{layer}.ln_2")]) for layer in layers]
    biases = [Matrices(*(params[f"h.{layer}.{name}.bias"].astype(np.float32) for name in MATRICES)) for layer in layers]
    places = places_of(config, gated=False, turned=False)
    positions = aligned((config.context, wide(config.dim)), np.float32)
    positions[:, : config.dim] = params[POSITIONS]
    return Architecture(
        shape_of(config, centred=True, gated=False, turned=False),
        config.norm_eps,
        params[EMBEDDING],
        params[EMBEDDING],
        matrices,
        places,
        vectors_of(config, [*norms, np.stack(norm("ln_f"))], biases, places),
        positions,
    )

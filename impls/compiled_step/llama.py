"""Llama for the compiled step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from ..checks import check_parameters
from ..config import LlamaConfig
from ..rotary.tables import rope_tables
from .architecture import Architecture, Matrices, places_of, shape_of, vectors_of
from .model import CompiledModel
from .weights import FORMATS, aligned, rounded, wide

Array = np.ndarray
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
FUSED = Matrices(
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)


def load_llama(params: Mapping[str, Array], config: LlamaConfig, format_name: str) -> CompiledModel:
    """The model with its weights packed in a format of `weights.FORMATS`. ValueError if a parameter does not fit."""
    check_parameters(params, config, (FORMATS[format_name].parameters,))
    return CompiledModel(_architecture(params, config), config, format_name)


def rounded_llama(params: Mapping[str, Array], config: LlamaConfig, format_name: str) -> dict[str, Array]:
    """The parameters as the format holds them, in float32."""
    check_parameters(params, config, (FORMATS[format_name].parameters,))
    held, places = dict(params), places_of(config, gated=True, turned=True)
    for layer in range(config.layers):
        names = Matrices(*([f"model.layers.{layer}.{name}.weight" for name in names] for names in FUSED))
        for kind, place in zip(names, places, strict=True):
            fused = rounded(format_name, np.concatenate([params[name] for name in kind]), place)
            ends = np.cumsum([len(params[name]) for name in kind])
            held |= dict(zip(kind, np.split(fused, ends[:-1]), strict=True))
    for name in (EMBEDDING,) if config.tied else (EMBEDDING, HEAD):
        held[name] = rounded(format_name, params[name])
    return held


def _architecture(params: Mapping[str, Array], config: LlamaConfig) -> Architecture:
    def matrices(layer: int) -> Matrices:
        given = [[params[f"model.layers.{layer}.{name}.weight"] for name in names] for names in FUSED]
        return Matrices(*(parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in given))

    def gain(name: str) -> Float[Array, " dim"]:
        return params[f"model.{name}.weight"].astype(np.float32)

    nothing = np.zeros(config.dim, np.float32)
    norms = [
        np.stack([gain(f"layers.{layer}.input_layernorm"), nothing, gain(f"layers.{layer}.post_attention_layernorm")])
        for layer in range(config.layers)
    ]
    norms.append(gain("norm")[None])
    embedding = params[EMBEDDING]
    return Architecture(
        shape_of(config, centred=False, gated=True, turned=True),
        config.norm_eps,
        embedding,
        embedding if config.tied else params[HEAD],
        matrices,
        places_of(config, gated=True, turned=True),
        vectors_of(config, norms),
        _turns(config),
    )


def _turns(config: LlamaConfig) -> Float[Array, "context two_widths"]:
    """Cosines and signed sines of each position, for dimensions that are turned as pairs of neighbours."""
    width = wide(config.head_dim, 16)
    cos, sin = rope_tables(config, np.float32)
    turns = aligned((config.context, 2, width), np.float32)
    turns[:, 0, : config.head_dim] = np.repeat(cos, 2, axis=1)
    turns[:, 1, 0 : config.head_dim : 2] = -sin
    turns[:, 1, 1 : config.head_dim : 2] = sin
    return turns.reshape(config.context, 2 * width)

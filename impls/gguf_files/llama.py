"""A Llama by llama.cpp's names and in its layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..config import LlamaConfig
from ..rotary.tables import rope_frequencies

NAME = "llama"
PLAIN: tuple[str, ...] = ()
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def describe(writer: Any, config: LlamaConfig) -> None:
    """Put the sizes into a gguf.GGUFWriter."""
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.dim)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.ffn_dim)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_eps)


def tensors(params: Mapping[str, np.ndarray], config: LlamaConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Each tensor of the file with its name."""
    yield "token_embd.weight", params["model.embed_tokens.weight"]
    if config.rope_scaling is not None:
        # What llama.cpp divides the frequencies by.
        plain = rope_frequencies(replace(config, rope_scaling=None))
        yield "rope_freqs.weight", (plain / rope_frequencies(config)).astype(np.float32)
    for layer in range(config.layers):
        for ours, theirs in LAYER.items():
            array = params[f"model.layers.{layer}.{ours}.weight"]
            turned = theirs in ("attn_q", "attn_k")
            yield f"blk.{layer}.{theirs}.weight", interleaved(array, config.head_dim) if turned else array
    yield "output_norm.weight", params["model.norm.weight"]
    if not config.tied:
        yield "output.weight", params["lm_head.weight"]


def input_axis(name: str, array: np.ndarray) -> int | None:
    """The axis of a parameter that is multiplied with the input, which groups lie along; None if it is no matrix."""
    return 1 if array.ndim == 2 else None


def interleaved(weight: np.ndarray, head_dim: int) -> np.ndarray:
    """The rows of q_proj or k_proj as llama.cpp wants them, head by head: 0, half, 1, half + 1, ....

    Its RoPE turns row 2i with row 2i + 1 by the angle by which Hugging Face's turns row i with row i + head_dim / 2.
    """
    halves = weight.reshape(-1, 2, head_dim // 2, weight.shape[-1])
    return halves.swapaxes(1, 2).reshape(weight.shape)

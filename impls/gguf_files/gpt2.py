"""A GPT-2 by llama.cpp's names and in its layout: matrices `[out, in]`, where Conv1D's are `[in, out]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..gpt2_config import GPT2Config

NAME = "gpt2"
# Its rows are added, never multiplied: float32 whatever the format, as llama.cpp's own converter leaves them.
PLAIN = ("position_embd.weight",)
LAYER = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}


def describe(writer: Any, config: GPT2Config) -> None:
    """Put the sizes into a gguf.GGUFWriter."""
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.dim)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.ffn_dim)
    writer.add_head_count(config.heads)
    writer.add_layer_norm_eps(config.norm_eps)


def tensors(params: Mapping[str, np.ndarray], config: GPT2Config) -> Iterator[tuple[str, np.ndarray]]:
    """Each tensor of the file with its name."""
    yield "token_embd.weight", params["wte.weight"]
    yield "position_embd.weight", params["wpe.weight"]
    for layer in range(config.layers):
        for ours, theirs in LAYER.items():
            for part in ("weight", "bias"):
                yield f"blk.{layer}.{theirs}.{part}", params[f"h.{layer}.{ours}.{part}"].T
    yield "output_norm.weight", params["ln_f.weight"]
    yield "output_norm.bias", params["ln_f.bias"]


def input_axis(name: str, array: np.ndarray) -> int | None:
    """The axis of a parameter that is multiplied with the input, which groups lie along; None if it is no matrix."""
    if array.ndim < 2 or name == "wpe.weight":
        return None
    return 1 if name == "wte.weight" else 0

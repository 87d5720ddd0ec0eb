"""What a Llama is made of: its configuration, the named shapes, and its parameters by their Hugging Face names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class RopeScaling:
    """The rescaling of RoPE frequencies in Llama 3.1 and 3.2 (`rope_type: llama3` of Hugging Face)."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context: int

    def __post_init__(self) -> None:
        # Between the two factors the frequencies are blended, by a division by their difference.
        if not 0 < self.low_freq_factor < self.high_freq_factor < math.inf:
            raise ValueError(
                f"high_freq_factor is {self.high_freq_factor}, expected more than low_freq_factor, "
                f"{self.low_freq_factor}, and both positive and finite"
            )
        if not 0 < self.factor < math.inf:
            raise ValueError(f"factor is {self.factor}, expected a positive finite number")
        if self.original_context < 1:
            raise ValueError(f"original_context is {self.original_context}, expected at least 1")


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a Llama. `context` is the number of positions, so the length of the cache; `tied`: no head of its own.

    RoPE is Hugging Face's half-split one: dimension i of a head turns with dimension i + head_dim / 2. Weights made for
    the interleaved original (llama2.c, llama3.np, Meta) have the rows of q_proj and k_proj in another order; the
    readers in `checkpoints` reorder them.
    """

    dim: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn_dim: int
    vocab_size: int
    context: int
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    rope_scaling: RopeScaling | None = None
    tied: bool = False

    def __post_init__(self) -> None:
        for name in ("dim", "layers", "heads", "kv_heads", "head_dim", "ffn_dim", "vocab_size", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads is {self.kv_heads}, expected a divisor of heads, {self.heads}")
        if self.head_dim % 2:
            raise ValueError(f"head_dim is {self.head_dim}, expected an even number: RoPE turns pairs")
        if not 0 <= self.norm_eps < math.inf:
            raise ValueError(f"norm_eps is {self.norm_eps}, expected a finite number, at least 0")
        if not 0 < self.rope_theta < math.inf:
            raise ValueError(f"rope_theta is {self.rope_theta}, expected a positive finite number")

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by name; matrices are stored `[out, in]`, as torch.nn.Linear does."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.vocab_size, self.dim)}
        for layer in range(self.layers):
            block = f"model.layers.{layer}"
            shapes |= {
                f"{block}.input_layernorm.weight": (self.dim,),
                f"{block}.self_attn.q_proj.weight": (queries, self.dim),
                f"{block}.self_attn.k_proj.weight": (keys, self.dim),
                f"{block}.self_attn.v_proj.weight": (keys, self.dim),
                f"{block}.self_attn.o_proj.weight": (self.dim, queries),
                f"{block}.post_attention_layernorm.weight": (self.dim,),
                f"{block}.mlp.gate_proj.weight": (self.ffn_dim, self.dim),
                f"{block}.mlp.up_proj.weight": (self.ffn_dim, self.dim),
                f"{block}.mlp.down_proj.weight": (self.dim, self.ffn_dim),
            }
        shapes["model.norm.weight"] = (self.dim,)
        if not self.tied:
            shapes["lm_head.weight"] = (self.vocab_size, self.dim)
        return shapes


SHAPES: Mapping[str, LlamaConfig] = {
    "stories15M": LlamaConfig(288, 6, 6, 6, 48, 768, 32000, 256, tied=True),
    "stories110M": LlamaConfig(768, 12, 12, 12, 64, 2048, 32000, 1024, tied=True),
    "llama-3.2-1B": LlamaConfig(
        2048, 16, 32, 8, 64, 8192, 128256, 131072, 1e-5, 500000.0, RopeScaling(32.0, 1.0, 4.0, 8192), tied=True
    ),
}


def random_parameters(config: Any, rng: np.random.Generator, dtype: Any) -> dict[str, np.ndarray]:
    """Parameters that keep activations and logits near 1: matrices of about unit norm a row, gains around 1."""

    def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
        values = rng.standard_normal(shape, np.float32)
        if len(shape) == 2:
            return (values / math.sqrt(shape[-1])).astype(dtype)
        return (0.1 * values + (not name.endswith("bias"))).astype(dtype)

    return {name: draw(name, shape) for name, shape in config.parameter_shapes().items()}

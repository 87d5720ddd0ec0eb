"""What a GPT-2 is made of: its configuration, the named shapes, and its parameters by their Hugging Face names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class GPT2Config:
    """Sizes of a GPT-2. `context` is the number of learned positions; the head is always the embedding."""

    dim: int
    layers: int
    heads: int
    vocab_size: int
    context: int
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("dim", "layers", "heads", "vocab_size", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.dim % self.heads:
            raise ValueError(f"heads is {self.heads}, expected a divisor of dim, {self.dim}")
        if not 0 <= self.norm_eps < math.inf:
            raise ValueError(f"norm_eps is {self.norm_eps}, expected a finite number, at least 0")

    @property
    def tied(self) -> bool:
        return True

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def kv_heads(self) -> int:
        return self.heads

    @property
    def ffn_dim(self) -> int:
        return 4 * self.dim

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by name; matrices of layers are stored `[in, out]`, as its Conv1D does."""
        dim = self.dim
        shapes: dict[str, tuple[int, ...]] = {"wte.weight": (self.vocab_size, dim), "wpe.weight": (self.context, dim)}
        for layer in range(self.layers):
            block = f"h.{layer}"
            for name, outputs in (("attn.c_attn", 3 * dim), ("mlp.c_fc", self.ffn_dim)):
                shapes |= {f"{block}.{name}.weight": (dim, outputs), f"{block}.{name}.bias": (outputs,)}
            for name, inputs in (("attn.c_proj", dim), ("mlp.c_proj", self.ffn_dim)):
                shapes |= {f"{block}.{name}.weight": (inputs, dim), f"{block}.{name}.bias": (dim,)}
            for name in ("ln_1", "ln_2"):
                shapes |= {f"{block}.{name}.weight": (dim,), f"{block}.{name}.bias": (dim,)}
        return shapes | {"ln_f.weight": (dim,), "ln_f.bias": (dim,)}


GPT2_SHAPES: Mapping[str, GPT2Config] = {"gpt2-124M": GPT2Config(768, 12, 12, 50257, 1024)}

"""The weight formats of a GGUF file: how a matrix is encoded, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# By ggml's names. Parameters are given in float32, except bfloat16 for its own format.
KINDS = {"f32": "F32", "bf16": "BF16", "int8": "Q8_0", "int4": "Q4_0"}


def given_as(weights: str) -> str:
    """The dtype of parameters for a format; ValueError if there is no such format."""
    if weights not in KINDS:
        raise ValueError(f"weights is {weights!r}, expected one of {', '.join(KINDS)}")
    return "bfloat16" if weights == "bf16" else "float32"


@dataclass(frozen=True)
class Stored:
    """An array as it lies in the file (what is multiplied with the input last), and ggml's type for it."""

    array: np.ndarray
    kind: Any

    @property
    def bytes(self) -> int:
        import gguf

        block, size = gguf.GGML_QUANT_SIZES[self.kind]
        return self.array.size // block * size

    def encoded(self) -> np.ndarray:
        import gguf

        if self.kind == gguf.GGMLQuantizationType.BF16:
            # The same bits; gguf would take them for numbers in float32.
            return np.ascontiguousarray(self.array).view(np.uint16)
        return gguf.quantize(np.ascontiguousarray(self.array, np.float32), self.kind)


def stored(array: np.ndarray, weights: str) -> Stored:
    """A matrix `[out, in]` in the format, anything else in float32."""
    import gguf

    return Stored(array, gguf.GGMLQuantizationType[KINDS[_format(array, weights)]])


def held(array: np.ndarray, axis: int | None, weights: str) -> np.ndarray:
    """What is left of an array of which `axis` is multiplied with the input, or which is no matrix (None)."""
    import gguf

    rows = None if axis is None else np.moveaxis(array, axis, -1)
    if rows is None or _format(rows, weights) not in ("int8", "int4"):
        return array
    tensor = stored(rows, weights)
    return np.ascontiguousarray(np.moveaxis(gguf.dequantize(tensor.encoded(), tensor.kind), -1, axis))


def _format(array: np.ndarray, weights: str) -> str:
    """Rows that no group of 32 divides stay as they are, where llama-quantize falls back to float16."""
    if array.ndim < 2 or (weights in ("int8", "int4") and array.shape[-1] % 32):
        return "f32"
    return weights

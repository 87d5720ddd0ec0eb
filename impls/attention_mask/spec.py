"""The mask of attention scores: a position sees `window` positions up to itself, and -inf stands for what it does not.

Positions and window stay the same from call to call, so an implementation may hold a mask; or compare at each call.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..attention.cases import drawn


def inputs(rng, dtype, batch, heads, seq, keys, window):
    positions = np.arange(keys, dtype=np.int32)
    return drawn(rng, dtype, batch, heads, seq, keys), positions[keys - seq :].copy(), positions, window


def work(itemsize, batch, heads, seq, keys, window):
    return Work(flops=0, bytes=2 * itemsize * batch * heads * seq * keys)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-prefill-256": {"batch": 1, "heads": 6, "seq": 256, "keys": 256, "window": 256},
        "llama-1B-prefill-256": {"batch": 1, "heads": 32, "seq": 256, "keys": 256, "window": 256},
        "llama-1B-decode-b32": {"batch": 32, "heads": 32, "seq": 1, "keys": 1024, "window": 512},
    },
    heavy={
        "llama-1B-prefill-256-window-64": {"batch": 1, "heads": 32, "seq": 256, "keys": 256, "window": 64},
    },
    # The last is shared among threads.
    domain={"batch": (1, 2), "heads": (1, 3), "seq": (1, 7), "keys": (7, 33, 1601), "window": (3, 50)},
    where=lambda batch, heads, seq, keys, window: (
        (batch == 2) == (heads == 3) and (keys < 1601 or (heads, seq) == (3, 7))
    ),
    ulps={"f32": 0, "bf16": 0},
    weights=3,
    dtypes={"numba": ("f32", "bf16")},
)

"""The keys and values of new tokens, written into a cache at a position: only what is new is read and written."""

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, batch, heads, positions, seq, head_dim, position):
    def drawn(length):
        return rng.standard_normal((batch, heads, length, head_dim), "f").astype(dtype)

    return drawn(positions), drawn(positions), drawn(seq), drawn(seq), position


def work(itemsize, batch, heads, positions, seq, head_dim, position):
    # Keys and values, read once and written once; there is no arithmetic.
    return Work(flops=0, bytes=4 * itemsize * batch * heads * seq * head_dim)


STORIES = {"heads": 6, "head_dim": 48, "positions": 256}
GPT_2 = {"heads": 12, "head_dim": 64, "positions": 1024}
LLAMA = {"heads": 8, "head_dim": 64}

KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {**STORIES, "batch": 1, "seq": 1, "position": 200},
        "stories15M-prefill-256": {**STORIES, "batch": 1, "seq": 256, "position": 0},
        "llama-1B-prefill-256": {**LLAMA, "batch": 1, "seq": 256, "positions": 2048, "position": 1000},
    },
    heavy={
        "llama-1B-decode-b1": {**LLAMA, "batch": 1, "seq": 1, "positions": 2048, "position": 1000},
        "llama-1B-decode-b32": {**LLAMA, "batch": 32, "seq": 1, "positions": 256, "position": 200},
        "GPT-2-decode-b1": {**GPT_2, "batch": 1, "seq": 1, "position": 1000},
        "GPT-2-prefill-1024": {**GPT_2, "batch": 1, "seq": 1024, "position": 0},
        "llama-1B-prefill-1024": {**LLAMA, "batch": 1, "seq": 1024, "positions": 2048, "position": 512},
    },
    domain={
        "batch": (1, 2),
        "heads": (3,),
        "positions": (1402, 5),
        "seq": (1400, 1, 3),
        "head_dim": (16, 1, 6),
        "position": (0, 2, 4),
    },
    # The long ones are shared among threads.
    where=lambda seq, positions, position, head_dim, **_: (
        position + seq <= positions and (seq == 1400) == (positions == 1402) == (head_dim == 16)
    ),
    ulps={"f32": 0, "bf16": 0},
    # Copying takes no arithmetic: NumPy does it in either dtype.
    dtypes={"numpy": ("f32", "bf16"), "numba": ("f32", "bf16")},
    mutates=2,
)

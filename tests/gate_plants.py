"""Regressions to plant in a copy of the house, a small edit of one implementation each, and what the gate must say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Wraps any kernel so that it takes `factor` times as long: what a user sees who adds a loop too many.
SPIN = """

_inner = {name}


def {name}(*arguments):
    import time

    start = time.perf_counter()
    result = _inner(*arguments)
    if hasattr(result, "block_until_ready"):
        result.block_until_ready()
    end = start + (time.perf_counter() - start) * {factor}
    while time.perf_counter() < end:
        pass
    return result
"""
# In place of a cache, the text so far, which each step computes anew: right, and slow.
FORGETFUL = """

class Text:
    def __init__(self, tokens):
        self.tokens = tokens

    @property
    def length(self):
        return self.tokens.shape[1]

    def rewind(self, length):
        return Text(self.tokens[:, :length])


class Forgetful:
    def __init__(self, model):
        self.model, self.config = model, model.config

    def prefill(self, tokens, text=None):
        tokens = np.asarray(tokens)
        tokens = tokens if text is None else np.concatenate([text.tokens, tokens], axis=1)
        return self.model.prefill(tokens)[0], Text(tokens)

    def decode(self, token, text):
        return self.prefill(np.asarray(token)[:, None], text)


_remembering = load


def load(params, config):
    return Forgetful(_remembering(params, config))
"""
DOUBLE = """

_single = rmsnorm


def rmsnorm(x, gain, eps):
    from jax import experimental

    with (getattr(experimental, "enable_x64", None) or jax.enable_x64)(True):
        return _single(x, gain, eps)
"""


@dataclass(frozen=True)
class Plant:
    """A regression: what replaces what in a file of the kernels package, and what is appended to it.

    `row` is the parameters and the operation of the test that measures it; `told` is the regular expression of the
    reason that the gate must give.
    """

    name: str
    file: str
    operation: str
    row: str
    told: str
    edits: tuple[tuple[str, str], ...] = ()
    appended: str = ""

    @property
    def test(self) -> str:
        return f"tests/test_speed.py::test_{self.operation}[{self.row}]"

    @property
    def gate_row(self) -> str:
        return self.row if self.operation == "kernel" else f"{self.operation}:{self.row}"

    def apply(self, package: Path) -> None:
        """ValueError if the file no longer holds what is to be replaced: a plant that plants nothing finds nothing."""
        file = package / self.file
        text = file.read_text(encoding="utf-8")
        for old, new in self.edits:
            if old not in text or old == new:
                raise ValueError(f"plant {self.name!r}: {file} does not hold {old!r}, or the plant leaves it")
            text = text.replace(old, new)
        file.write_text(text + self.appended, encoding="utf-8")


@dataclass(frozen=True)
class Unused:
    """No regression: a name more in every file, so that all rows are judged, though nothing runs differently."""

    def apply(self, package: Path) -> None:
        for file in package.rglob("*.py"):
            file.write_text(file.read_text(encoding="utf-8") + "\nNOBODY_USES = None\n", encoding="utf-8")


def spin(file: str, size: float) -> Plant:
    """One implementation of a kernel takes `size` longer in all its rows."""
    kernel = file.partition("/")[0]
    return Plant(f"{size:.0%} slower", file, "kernel", "", "", appended=SPIN.format(name=kernel, factor=1 + size))


DECODE, GENERATE = ("llama-{}-grouped-b1-f32-cpu",) * 2
RMSNORM = "rmsnorm-{}-stories15M-decode-b1-f32-cpu"
STRUCTURAL = (
    Plant(
        "dropped KV cache, NumPy",
        "llama/numpy_fused.py",
        "decode",
        DECODE.format("numpy_fused"),
        r"peak temporary bytes .* -> ",
        appended=FORGETFUL,
    ),
    Plant(
        "dropped KV cache, JAX",
        "llama/jax_unrolled.py",
        "decode",
        DECODE.format("jax_unrolled"),
        r"flops .* -> ",
        appended="\n\nimport numpy as np\n" + FORGETFUL,
    ),
    Plant(
        "recompilation per token, JAX",
        "jax_models/unrolled.py",
        "generate",
        GENERATE.format("jax_unrolled"),
        r"(programs|compilations\D*) \d+ -> \d+",
        (
            ('static_argnames="decoder", donate', 'static_argnames=("decoder", "position"), donate'),
            ("state: State, *, decoder: Decoder) ->", "state: State, *, decoder: Decoder, position: int) ->"),
            ("state._replace(kept=kept)", "state._replace(kept=kept, length=jnp.int32(position))"),
            ("state.apart, decoder=self.decoder)", "state.apart, decoder=self.decoder, position=int(state.length))"),
        ),
    ),
    Plant(
        "lost donation, JAX",
        "jax_models/unrolled.py",
        "decode",
        DECODE.format("jax_unrolled"),
        r"aliased bytes .* -> 0 B",
        ((', donate_argnames="kept"', ""),),
    ),
    Plant(
        "repeated keys and values, JAX",
        "jax_models/attention.py",
        "decode",
        DECODE.format("jax_unrolled"),
        r"(bytes accessed|temporary bytes) .* -> .*\(\+",
        (
            (
                '    scores = summed("nqd,nsd->nqs", q',
                "    group = q.shape[1] // len(slots.taken)\n"
                "    q = q.reshape(len(q) * group, -1, q.shape[2])\n"
                "    keys, values = (jnp.repeat(seen, group, axis=0) for seen in (keys, values))\n"
                '    scores = summed("nqd,nsd->nqs", q',
            ),
        ),
    ),
    Plant(
        "float64 within, NumPy",
        "rmsnorm/numpy_vecdot.py",
        "kernel",
        RMSNORM.format("numpy_vecdot"),
        r"peak temporary bytes .* -> ",
        (("wide = x.astype(np.float32", "wide = x.astype(np.float64"),),
    ),
    Plant(
        "float64 within, Numba",
        "rmsnorm/numba_rows.py",
        "kernel",
        RMSNORM.format("numba_rows"),
        r"float64 arithmetic in loops 0 -> ",
        (("total = np.float32(0)", "total = 0.0"),),
    ),
    Plant(
        "float64 within, JAX",
        "rmsnorm/jax_fused.py",
        "kernel",
        RMSNORM.format("jax_fused"),
        r"f64 instructions 0 -> ",
        (("jnp.float32", "jnp.float64"),),
        DOUBLE,
    ),
    Plant(
        "loop no longer vectorised, Numba",
        "softmax/numba_rows.py",
        "kernel",
        "softmax-numba_rows-stories15M-decode-b1-f32-cpu",
        r"scalar loops 0 -> ",
        (("fastmath=FASTMATH, ", ""),),
    ),
    Plant(
        "result rounded to bfloat16, NumPy",
        "rmsnorm/numpy_vecdot.py",
        "kernel",
        RMSNORM.format("numpy_vecdot"),
        r"(error|accuracy) .* ulps",
        (("return normed.astype(x.dtype, copy=False)", 'return normed.astype("bfloat16").astype(x.dtype)'),),
    ),
    Plant(
        "result rounded to bfloat16, JAX",
        "rmsnorm/jax_fused.py",
        "kernel",
        RMSNORM.format("jax_fused"),
        r"(error|accuracy) .* ulps",
        ((".astype(x.dtype)", ".astype(jnp.bfloat16).astype(x.dtype)"),),
    ),
)

"""A package of toy models that is none of ours, to profile, and what must hold of every profile."""

import math
import sys
from contextlib import contextmanager

from kernelgate.profile.job import Request, prepare
from kernelgate.profile.run import profile
from kernelgate.profile.spans import Span
from kernelgate.profile.tree import OTHER

PACKAGE = "profiled_toys"

SPEC = """
from dataclasses import dataclass

import numpy as np

from kernelgate.kernel import Kernel, Work


@dataclass(frozen=True)
class Config:
    layers: int
    vocab_size: int
    context: int


class Family:
    models = {"small": Config(2, 128, 8), "large": Config(5, 128, 8)}

    def model_of(self, name, positions):
        return Config(self.models[name].layers, 128, positions)

    def parameters(self, rng, dtype, name, config):
        return {"embedding": rng.standard_normal((config.vocab_size, 16)).astype(dtype)}

    def encode(self, text):
        return list(text.encode("latin-1"))

    def decode(self, ids):
        return bytes(ids).decode()


FAMILY = Family()


def inputs(rng, dtype):
    return (rng.standard_normal(3).astype(dtype),)


def work(itemsize):
    return Work(1, 1)


DECODE = Kernel(inputs=inputs, work=work, cases={}, domain={}, ulps={}, dtypes={"*": ("f32",), "jax": ("f32",)})
OPERATIONS = {"decode": DECODE}
"""
MARKS = """
def part(name):
    def marked(function):
        function.__part__ = name
        return function

    return marked
"""
# Beside methods: a function of another module, a static and a class method, one part within itself, and on the model.
REFERENCE = """
import numpy as np

from ..marks import part
from ..shared import head


def load(params, config):
    return Model(params, config)


@part("layers")
def twice_marked(model, x):
    return model.run(x)


class Base:
    @part("layers")
    def run(self, x):
        for _ in range(self.config.layers):
            x = self.feed_forward(self.attention(x))
        return x


class Model(Base):
    def __init__(self, params, config):
        self.embedding, self.config = params["embedding"], config
        self.normalise = part("norm")(lambda x: x / np.abs(x).max())

    def prefill(self, tokens):
        return self.step(self.embedding[tokens].sum(axis=1))

    def decode(self, token, cache):
        return self.step(cache + self.embedding[token])

    def step(self, x):
        return head(self.normalise(twice_marked(self, x)), self.embedding), x

    @staticmethod
    @part("attention")
    def attention(x):
        return x + np.tanh(x)

    @classmethod
    @part("feed-forward")
    def feed_forward(cls, x):
        return x * 0.5
"""
SHARED = """
from .marks import part


@part("head")
def head(x, embedding):
    return x @ embedding.T
"""
UNMARKED = """

def load(params, config):
    return Model(params["embedding"])


class Model:
    def __init__(self, embedding):
        self.embedding = embedding

    def prefill(self, tokens):
        return self.decode(tokens.sum(axis=1) % 128, 0)

    def decode(self, token, cache):
        cache = cache + self.embedding[token]
        return cache @ self.embedding.T, cache
"""
JAX = """
from contextlib import nullcontext
from functools import partial

import jax
import jax.numpy as jnp


def load(params, config):
    return Model(params["embedding"], config)


class Model:
    def __init__(self, embedding, config):
        self.embedding, self.config = embedding, config

    def prefill(self, tokens):
        return step(self.embedding, tokens, jnp.zeros((len(tokens), 16)), self.config.layers)

    def decode(self, token, cache):
        return step(self.embedding, token[:, None], cache, self.config.layers)


@partial(jax.jit, static_argnums=3)
def step(embedding, tokens, cache, layers):
    x = cache + jnp.take(embedding, tokens, axis=0).sum(axis=1)
    weights = jnp.stack([embedding.T @ embedding] * layers)

    def layer(x, weight):
        with jax.named_scope("layers"):
            with jax.named_scope("attention"):
                x = x + jnp.tanh(x @ weight)
            with jax.named_scope("feed-forward"):
                x = x + jax.nn.silu(x @ weight @ weight)
        return x, None

    y, _ = jax.lax.scan(layer, x, weights)
    with jax.named_scope("head"):
        return jnp.einsum("bd,vd->bv", y, embedding), x
"""
# Its cycles are half ns.
COUNTED = """
import time

from .numpy_unmarked import Model as Plain


def load(params, config):
    return Model(params["embedding"])


class Model(Plain):
    on = False

    def count_cycles(self, on):
        self.on, self.spent = on, {"attention": (0, 0), "layers/mlp": (0, 0), "head": (0, 0), "unused": (0, 0)}

    def part_cycles(self):
        return dict(self.spent)

    def decode(self, token, cache):
        begun = time.perf_counter_ns()
        result = super().decode(token, cache)
        if self.on:
            cycles = 2 * (time.perf_counter_ns() - begun)
            for name, (calls, before) in self.spent.items():
                if name != "unused":
                    self.spent[name] = calls + 3, before + cycles // 4
        return result
"""
WHOLE = """
import numpy as np

from .reference import Model as Stepped


def load(params, config):
    return Model(params, config)


class Model(Stepped):
    def generate(self, prompt, count):
        logits, cache = self.prefill(prompt)
        tokens = [logits.argmax(-1)]
        while len(tokens) < count:
            logits, cache = self.decode(tokens[-1], cache)
            tokens.append(logits.argmax(-1))
        return np.stack(tokens, axis=1).astype(np.int32)
"""
FILES = {
    "__init__.py": "",
    "marks.py": MARKS,
    "shared.py": SHARED,
    "toy/__init__.py": "",
    "toy/spec.py": SPEC,
    "toy/reference.py": REFERENCE,
    "toy/numpy_unmarked.py": UNMARKED,
    "toy/numpy_counted.py": COUNTED,
    "toy/numpy_whole.py": WHOLE,
    "toy/jax_scoped.py": JAX,
    "toy/jax_plain.py": JAX.replace("jax.named_scope", "nullcontext"),
}


@contextmanager
def importable(folder):
    """Within it, the package is in `folder` and can be imported."""
    for name, text in FILES.items():
        path = folder / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def profiled(implementation, **asked):
    return profile(prepare(Request(f"toy-{implementation}", "abc", PACKAGE, **{"batch_size": 3, "count": 5} | asked)))


def calls(tree):
    """How often each part was called, by its path below the root."""
    return {"/".join(path[1:]): node.calls for path, node in tree.walk() if node.name != OTHER}


def check_sums(tree):
    """Every part is its parts, to the nanosecond."""
    assert any(node.name == OTHER for _, node in tree.walk())
    for _, node in tree.walk():
        assert node.duration >= 0
        if node.children:
            assert sum(child.duration for child in node.children) == node.duration


def spans_of(*stretches):
    """Spans from depth, start and duration."""
    return [Span(("generate", "step", "sampling")[: depth + 1], start, length) for depth, start, length in stretches]


def check_trace(trace):
    """As Perfetto reads it: complete events in microseconds on named threads of a named process, well nested."""
    named, events = {}, {}
    for event in trace["traceEvents"]:
        assert event["ph"] in ("X", "M") and isinstance(event["name"], str)
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int)
        if event["ph"] == "M":
            named[event["name"], event["pid"], event["tid"] * (event["name"] == "thread_name")] = event["args"]["name"]
        else:
            assert math.isfinite(event["ts"] + event["dur"]) and event["ts"] >= 0 and event["dur"] >= 0
            events.setdefault((event["pid"], event["tid"]), []).append(event)
    assert events
    for (process, thread), those in events.items():
        assert named["process_name", process, 0] and named["thread_name", process, thread]
        open_until = []
        for event in sorted(those, key=lambda event: (event["ts"], -event["dur"])):
            while open_until and open_until[-1] <= event["ts"] + 1e-9:
                open_until.pop()
            end = event["ts"] + event["dur"]
            assert not open_until or end <= open_until[-1] + 1e-6
            open_until.append(end)

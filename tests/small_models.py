"""A small model of every family, in each implementation, beside the oracle of its parameters."""

import importlib

import ml_dtypes
import numpy as np
import pytest

from impls.config import LlamaConfig, random_parameters
from impls.gpt2_config import GPT2Config
from kernelgate.kernel import BACKENDS, DTYPES
from kernelgate.subject import upcast

VOCAB_SIZE, CONTEXT = 61, 16
CONFIGS = {
    "llama": LlamaConfig(64, 2, 4, 2, 12, 96, VOCAB_SIZE, CONTEXT, rope_theta=100.0),
    "gpt2": GPT2Config(64, 2, 4, VOCAB_SIZE, CONTEXT),
}
OURS = tuple(name for name, backend in BACKENDS.items() if not backend.library)
# Text is generated in float32 alone, where a backend has it: compiling the same for bfloat16 would take as long again.
models = pytest.mark.subjects(*CONFIGS, operation="generate", backends=OURS)
NARROW = tuple(name for name in OURS if not {"f32", "i32"} & set(BACKENDS[name].dtypes))
narrow_models = pytest.mark.subjects(*CONFIGS, operation="decode", backends=NARROW)
every_dtype = pytest.mark.subjects(*CONFIGS, operation="decode", backends=OURS)
# Prompts and chunks have these lengths everywhere, since each new shape is another program for JAX.
PROMPT, CHUNK = 5, 3


def draw(family, dtype="f32", config=None):
    return random_parameters(config or CONFIGS[family], np.random.default_rng(5), DTYPES[dtype])


def tokens(*shape, seed=1):
    return np.random.default_rng(seed).integers(0, VOCAB_SIZE, shape)


def in_family(family, file):
    return importlib.import_module(f"impls.{family}.{file}")


class Pair:
    """A model and the oracle of its parameters, as the model holds them."""

    def __init__(self, family, model, params, dtype="f32"):
        self.model, self.config, self.dtype = model, model.config, dtype
        self.oracle = in_family(family, "reference").load(upcast(params), model.config)
        self.allowed = in_family(family, "spec").FAMILY.ulps[dtype] * float(ml_dtypes.finfo(DTYPES[dtype]).eps)

    @classmethod
    def of(cls, subject, config=None):
        family, module = subject.folder.name, subject.module
        config = config or CONFIGS[family]
        params = draw(family, subject.dtype, config)
        held = module.rounded(params, config) if hasattr(module, "rounded") else params
        return cls(family, module.load(subject.place((params,))[0], config), held, subject.dtype)

    def check(self, logits, text, padding=None):
        """The logits are those that the oracle gives after each row alone, without its padding, computed anew."""
        padding = np.zeros(len(text), int) if padding is None else padding
        expected = np.concatenate(
            [self.oracle.forward(row[None, first:])[:, -1] for row, first in zip(text, padding, strict=True)]
        )
        assert (logits.shape, logits.dtype) == (expected.shape, DTYPES[self.dtype])
        error = np.abs(np.asarray(logits).astype(np.float64) - expected).max(axis=1) / np.abs(expected).max(axis=1)
        assert error.max() <= self.allowed, (text, padding, error)


PAIRS: dict[tuple[str, ...], Pair] = {}


@pytest.fixture
def pair(subject):
    """The pair of a subject, made once for all tests."""
    key = (subject.folder.name, subject.implementation, subject.dtype, subject.device)
    if key not in PAIRS:
        PAIRS[key] = Pair.of(subject)
    return PAIRS[key]

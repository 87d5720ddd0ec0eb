"""The library rows of the models: what a cache, padding and rewinding mean is what they mean everywhere."""

import gc

import ml_dtypes
import numpy as np
import pytest

from impls.config import LlamaConfig, RopeScaling, random_parameters
from impls.gpt2_config import GPT2Config
from kernelgate.kernel import BACKENDS, DTYPES, backend_of
from kernelgate.subject import upcast

CONFIGS = {
    "llama": LlamaConfig(64, 2, 4, 2, 16, 96, 61, 16, 1e-5, 100.0, RopeScaling(8.0, 1.0, 4.0, 24), tied=True),
    "gpt2": GPT2Config(64, 2, 4, 61, 16),
}
LIBRARIES = tuple(name for name in BACKENDS if name.startswith(("llamacpp", "torch_transformers")))
libraries = pytest.mark.subjects(*CONFIGS, operation="decode", backends=LIBRARIES)


class Pair:
    """A model and the oracle of the parameters that it holds."""

    def __init__(self, subject):
        self.config, self.dtype, module = CONFIGS[subject.folder.name], DTYPES[subject.dtype], subject.module
        params = random_parameters(self.config, np.random.default_rng(5), self.dtype)
        self.model = module.load(params, self.config)
        held = module.rounded(params, self.config) if hasattr(module, "rounded") else params
        self.oracle = subject.folder.load("reference").load(upcast(held), self.config)
        allowed = subject.kernel.ulps_of(backend_of(subject.implementation), subject.dtype)
        self.allowed = allowed * float(ml_dtypes.finfo(self.dtype).eps)

    def check(self, logits, text, padding=None):
        """The logits are those that the oracle gives after each row alone, without its padding."""
        padding = np.zeros(len(text), int) if padding is None else padding
        expected = np.concatenate(
            [self.oracle.forward(row[None, first:])[:, -1] for row, first in zip(text, padding, strict=True)]
        )
        assert (logits.shape, logits.dtype) == (expected.shape, self.dtype)
        error = np.abs(logits.astype(np.float64) - expected).max(axis=1) / np.abs(expected).max(axis=1)
        assert error.max() <= self.allowed


@pytest.fixture
def pair(subject):
    return Pair(subject)


def tokens(*shape, seed=1):
    return np.random.default_rng(seed).integers(0, 61, shape)


@libraries
def test_ragged_prompts_are_continued_and_taken_back(pair):
    text, padding = tokens(3, 10), np.array([0, 3, 2])
    logits, cache = pair.model.prefill(text[:, :5], padding=padding)
    pair.check(logits, text[:, :5], padding)
    for end in (6, 7):
        logits, cache = pair.model.decode(text[:, end - 1], cache)
        pair.check(logits, text[:, :end], padding)
    logits, cache = pair.model.prefill(text[:, 7:10], cache)
    pair.check(logits, text, padding)
    assert cache.length == 10
    other = tokens(3, 10, seed=2)
    other[:, :4] = text[:, :4]
    logits, cache = pair.model.decode(other[:, 4], cache.rewind(4))
    pair.check(logits, other[:, :5], padding)


@libraries
def test_a_batch_begun_later_leaves_the_first_alone(pair):
    text, other = tokens(2, 8), tokens(2, 8, seed=2)
    _, cache = pair.model.prefill(text[:, :5])
    logits, later = pair.model.prefill(other[:, :6])
    pair.check(logits, other[:, :6])
    logits, cache = pair.model.decode(text[:, 5], cache)
    pair.check(logits, text[:, :6])
    logits, _ = pair.model.decode(other[:, 6], later)
    pair.check(logits, other[:, :7])
    kept = logits.copy()
    # What a cache was made of is used again; nothing of the old text is left in it, and old logits stay.
    del cache, later
    gc.collect()
    again, _ = pair.model.prefill(text[:, :3])
    pair.check(again, text[:, :3])
    np.testing.assert_array_equal(logits, kept)


@libraries
def test_a_mistake_does_no_harm(pair):
    text = tokens(2, 6)
    _, cache = pair.model.prefill(text[:, :4])
    for message, mistake in (
        ("tokens holds id 61", lambda: pair.model.prefill([[1, 61], [2, 3]], cache)),
        ("tokens has 13 a row, expected at most 12", lambda: pair.model.prefill(tokens(2, 13), cache)),
        ("token has 3 rows, expected 2", lambda: pair.model.decode([1, 2, 3], cache)),
        ("length is 5, expected 0 to 4", lambda: cache.rewind(5)),
        ("padding holds 4, expected 0 to 3", lambda: pair.model.prefill(text[:, :4], padding=[0, 4])),
    ):
        with pytest.raises(ValueError, match=message):
            mistake()
    logits, _ = pair.model.decode(text[:, 4], cache)
    pair.check(logits, text[:, :5])


@libraries
def test_parameters_that_do_not_fit_are_named(subject):
    config = CONFIGS[subject.folder.name]
    params = random_parameters(config, np.random.default_rng(5), DTYPES[subject.dtype])
    name = next(iter(params))
    with pytest.raises(ValueError, match=f"params lacks {name}"):
        subject.module.load({key: value for key, value in params.items() if key != name}, config)
    with pytest.raises(ValueError, match=r"params are float16, expected all to be"):
        subject.module.load({key: value.astype(np.float16) for key, value in params.items()}, config)

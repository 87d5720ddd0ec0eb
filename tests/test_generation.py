"""Generation: greedy and sampled, streamed, stopped, and to the last position of the context."""

import numpy as np
import pytest

from impls.config import LlamaConfig, random_parameters
from impls.generation import generate, greedy, sampled, stream
from impls.llama import reference
from kernelgate.kernel import DTYPES
from kernelgate.subject import upcast

CONFIG = LlamaConfig(64, 2, 4, 2, 12, 96, 61, 16)
PROMPT = np.array([[1, 2, 3], [7, 8, 9]], np.int32)
llama = pytest.mark.subjects("llama", operation="generate")


def random_params(dtype="f32"):
    return random_parameters(CONFIG, np.random.default_rng(5), DTYPES[dtype])


@llama
def test_greedy_tokens_are_those_of_recomputation_to_the_last_position(subject):
    params = random_params(subject.dtype)
    oracle, text = reference.load(upcast(params), CONFIG), PROMPT
    count = CONFIG.context - PROMPT.shape[1] + 1
    for _ in range(count):
        # The last one is never fed back, and so needs no position of its own.
        following = oracle.forward(text)[:, -1].argmax(axis=-1)
        text = np.concatenate([text, following[:, None]], axis=1)
    placed, prompt = subject.place((params, PROMPT))
    result = generate(subject.module.load(placed, CONFIG), prompt, count)
    assert result.dtype == np.int32
    assert (result == text[:, PROMPT.shape[1] :]).all()


@llama
def test_a_stream_yields_what_generate_gives(subject):
    placed, prompt = subject.place((random_params(subject.dtype), PROMPT))
    model = subject.module.load(placed, CONFIG)
    assert (np.stack([np.asarray(token) for token in stream(model, prompt, 5)], 1) == generate(model, prompt, 5)).all()


class Scripted:
    """A model whose likeliest tokens are given; it counts its steps."""

    config = CONFIG

    def __init__(self, *rows):
        self.script, self.steps = np.array(rows).T, 0

    def prefill(self, tokens):
        self.length = np.asarray(tokens).shape[1]
        return self._logits(), self

    def decode(self, token, cache):
        assert (np.asarray(token) == self.script[self.steps - 1]).all()
        self.length += 1
        return self._logits(), self

    def _logits(self):
        self.steps += 1
        return np.eye(CONFIG.vocab_size)[self.script[self.steps - 1]]


def test_a_stop_ends_its_row_and_the_last_one_all():
    model = Scripted([4, 9, 5, 5, 6], [4, 4, 4, 8, 6])
    assert generate(model, PROMPT, 5, stop=(8, 9)).tolist() == [[4, 9, 9, 9], [4, 4, 4, 8]]
    assert model.steps == 4


def test_without_a_stop_all_are_generated():
    assert generate(Scripted([4, 9, 5], [4, 4, 8]), PROMPT, 3).tolist() == [[4, 9, 5], [4, 4, 8]]


def test_a_stream_computes_a_token_when_it_is_asked_for():
    model = Scripted([4, 9, 5], [4, 4, 8])
    tokens = stream(model, PROMPT, 3)
    assert [next(tokens).tolist(), model.steps] == [[4, 4], 1]
    assert [next(tokens).tolist(), model.steps] == [[9, 4], 2]


@pytest.mark.parametrize(
    ("prompt", "count", "message"),
    [
        (PROMPT, 0, "count is 0, expected at least 1"),
        (PROMPT, 15, "count is 15, expected at most 14"),
        (PROMPT[:, :0], 1, "tokens has shape"),
        (PROMPT + 60, 1, "tokens holds id 61"),
    ],
)
def test_a_mistake_is_named_before_the_first_token(prompt, count, message):
    model = reference.load(random_params(), CONFIG)
    with pytest.raises(ValueError, match=message):
        stream(model, prompt, count)


def test_greedy_takes_the_first_of_equals():
    assert greedy(np.array([[0.0, 2.0, 2.0], [3.0, 1.0, 3.0]])).tolist() == [1, 0]


def test_sampling_follows_the_probabilities():
    logits = np.log(np.array([[0.1, 0.2, 0.7]], np.float32)).repeat(4000, axis=0)
    for temperature, expected in ((1.0, [0.1, 0.2, 0.7]), (0.5, [0.01 / 0.54, 0.04 / 0.54, 0.49 / 0.54])):
        picks = sampled(temperature, np.random.default_rng(3))(logits)
        assert np.abs(np.bincount(picks, minlength=3) / 4000 - expected).max() < 0.03


def test_sampling_repeats_with_its_source():
    model = reference.load(random_params(), CONFIG)
    first, again, other = (
        generate(model, PROMPT, 8, pick=sampled(1.0, np.random.default_rng(seed))).tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="temperature is 0, expected more than 0"):
        sampled(0, np.random.default_rng())

"""Generation: greedy and sampled, streamed, stopped, of several lengths, and to the last position of the context."""

import numpy as np
import pytest
from small_models import CONFIGS, CONTEXT, PROMPT, VOCAB_SIZE, Pair, draw, models, pair, tokens

from impls.generation import generate, greedy, padded, stream
from impls.llama import reference

__all__ = ["pair"]

TEXT = tokens(2, PROMPT).astype(np.int32)
RAGGED = [[7, 8, 9, 10, 11], [3, 4]]


def recomputed(oracle, prompt, count):
    """The likeliest tokens behind a prompt, each from the whole text before it."""
    text = np.asarray(prompt)[None]
    for _ in range(count):
        text = np.concatenate([text, oracle.forward(text)[:, -1].argmax(axis=-1)[:, None]], axis=1)
    return text[0, len(prompt) :].tolist()


@models
def test_greedy_tokens_are_those_of_recomputation_to_the_last_position(subject, pair):
    # The last one is never fed back, and so needs no position of its own.
    count = CONTEXT - PROMPT + 1
    result = generate(pair.model, *subject.place((TEXT,)), count)
    assert result.dtype == np.int32
    assert result.tolist() == [recomputed(pair.oracle, row, count) for row in TEXT]


@models
def test_rows_of_several_lengths_get_what_each_gets_alone(pair):
    prompt, padding = padded(RAGGED)
    expected = [recomputed(pair.oracle, row, 6) for row in RAGGED]
    assert generate(pair.model, prompt, 6, padding=padding).tolist() == expected
    streamed = list(stream(pair.model, prompt, 6, padding=padding))
    assert np.stack([np.asarray(token) for token in streamed], axis=1).tolist() == expected


def test_a_law_of_generation_can_fail():
    class Unpadded(reference.Llama):
        def prefill(self, tokens, cache=None, *, padding=None):
            return super().prefill(tokens, cache)

    params = draw("llama")
    with pytest.raises(AssertionError):
        test_rows_of_several_lengths_get_what_each_gets_alone(Pair("llama", Unpadded(params, CONFIGS["llama"]), params))


@pytest.mark.parametrize("batch", [1, 32])
def test_batches_of_the_size_that_is_timed(batch):
    params = draw("llama")
    model = Pair("llama", reference.load(params, CONFIGS["llama"]), params)
    rows = [tokens(1 + index % PROMPT, seed=index) for index in range(batch)]
    prompt, padding = padded(rows)
    expected = [recomputed(model.oracle, row, 3) for row in rows]
    assert generate(model.model, prompt, 3, padding=padding).tolist() == expected


class Scripted:
    """A model whose likeliest tokens are given; it counts its steps."""

    config = CONFIGS["llama"]

    def __init__(self, *rows):
        self.script, self.steps = np.array(rows).T, 0

    def prefill(self, tokens, *, padding=None):
        self.length = np.asarray(tokens).shape[1]
        return self._logits(), self

    def decode(self, token, cache):
        assert (np.asarray(token) == self.script[self.steps - 1]).all()
        self.length += 1
        return self._logits(), self

    def _logits(self):
        self.steps += 1
        return np.eye(VOCAB_SIZE)[self.script[self.steps - 1]]


def test_a_stop_ends_its_row_and_the_last_one_all():
    model = Scripted([4, 9, 5, 5, 6], [4, 4, 4, 8, 6])
    assert generate(model, TEXT, 5, stop=(8, 9)).tolist() == [[4, 9, 9, 9], [4, 4, 4, 8]]
    assert model.steps == 4


def test_without_a_stop_all_are_generated():
    assert generate(Scripted([4, 9, 5], [4, 4, 8]), TEXT, 3).tolist() == [[4, 9, 5], [4, 4, 8]]


def test_a_stream_computes_a_token_when_it_is_asked_for():
    model = Scripted([4, 9, 5], [4, 4, 8])
    streamed = stream(model, TEXT, 3)
    assert [next(streamed).tolist(), model.steps] == [[4, 4], 1]
    assert [next(streamed).tolist(), model.steps] == [[9, 4], 2]


class Whole(Scripted):
    """A model that generates texts by itself, with one picker."""

    def picks(self, pick):
        return pick is greedy

    def generate(self, prompt, count, *, pick, stop, padding):
        return "by itself"


def test_a_model_that_generates_by_itself_is_asked_to_if_it_can():
    assert generate(Whole(), TEXT, 3) == "by itself"
    assert generate(Whole([4, 9, 5], [4, 4, 8]), TEXT, 3, pick=lambda logits: greedy(logits)).shape == (2, 3)


@pytest.mark.parametrize(
    ("prompt", "count", "stop", "message"),
    [
        (TEXT, 0, (), "count is 0, expected at least 1"),
        (TEXT, 13, (), "count is 13, expected at most 12"),
        (TEXT[:, :0], 1, (), "tokens has shape"),
        (TEXT + 60, 1, (), "tokens holds id"),
        (TEXT, 1, (3, 61), "stop holds 61, expected 0 to 60"),
    ],
)
def test_a_mistake_is_named_before_the_first_token(prompt, count, stop, message):
    model = reference.load(draw("llama"), CONFIGS["llama"])
    with pytest.raises(ValueError, match=message):
        stream(model, prompt, count, stop=stop)


def test_prompts_end_together():
    prompt, padding = padded([[1, 2, 3], [4], np.array([5, 6])])
    assert (prompt.tolist(), padding.tolist()) == ([[1, 2, 3], [0, 0, 4], [0, 5, 6]], [0, 2, 1])
    assert (prompt.dtype, padding.dtype) == (np.int32, np.int32)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "prompts is empty"),
        ([[1], []], r"prompts\[1\] is float64\[0\], expected token ids, at least one"),
        ([[1.0]], r"prompts\[0\] is float64\[1\]"),
        ([[[1]]], r"prompts\[0\] is int64\[1, 1\]"),
    ],
)
def test_prompts_that_are_none_are_named(prompts, message):
    with pytest.raises(ValueError, match=message):
        padded(prompts)

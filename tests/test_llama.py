"""What must hold for every Llama: a cache changes nothing, rows do not mix, and positions are where they belong."""

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from impls.config import LlamaConfig, random_parameters
from impls.llama import numpy_fused, reference
from impls.llama.spec import FAMILY
from kernelgate.kernel import DTYPES
from kernelgate.subject import upcast

CONFIG = LlamaConfig(64, 2, 4, 2, 12, 96, 61, 12, rope_theta=100.0)
llama = pytest.mark.subjects("llama", operation="decode")


class Pair:
    """A model and the oracle of its parameters."""

    def __init__(self, subject, config=CONFIG):
        params = random_parameters(config, np.random.default_rng(5), DTYPES[subject.dtype])
        self.dtype, self.config = subject.dtype, config
        self.model = subject.module.load(subject.place((params,))[0], config)
        self.oracle = reference.load(upcast(params), config)

    def check(self, logits, text):
        """The logits are those that the oracle gives after the text, computed anew."""
        expected = self.oracle.forward(text)[:, -1]
        assert (logits.shape, logits.dtype) == (expected.shape, DTYPES[self.dtype])
        error = np.abs(np.asarray(logits).astype(np.float64) - expected).max(axis=1) / np.abs(expected).max(axis=1)
        assert error.max() <= FAMILY.ulps[self.dtype] * float(ml_dtypes.finfo(DTYPES[self.dtype]).eps), (text, error)


def tokens(*shape, seed=1):
    return np.random.default_rng(seed).integers(0, CONFIG.vocab_size, shape)


def check_decoding(pair):
    """The first decoded token goes to the position behind the prompt, the next one to the one after."""
    text = tokens(2, 8)
    logits, cache = pair.model.prefill(text[:, :5])
    pair.check(logits, text[:, :5])
    assert cache.length == 5
    for end in (6, 7, 8):
        logits, cache = pair.model.decode(text[:, end - 1], cache)
        pair.check(logits, text[:, :end])
        assert cache.length == end


def check_chunks(pair):
    text = tokens(2, 9)
    _, cache = pair.model.prefill(text[:, :4])
    logits, cache = pair.model.prefill(text[:, 4:9], cache)
    pair.check(logits, text)
    assert cache.length == 9


def check_rows(pair):
    """A row of a batch equals that row alone, though its neighbours are others."""
    text = tokens(3, 6)
    logits, cache = pair.model.prefill(text[:, :5])
    decoded, _ = pair.model.decode(text[:, 5], cache)
    for row in range(3):
        pair.check(logits[row : row + 1], text[row : row + 1, :5])
        pair.check(decoded[row : row + 1], text[row : row + 1])


def check_causality(pair):
    """What came later and was taken back leaves nothing behind, in the cache or in what was computed before."""
    text, results = tokens(1, 5), []
    for later in (tokens(1, 6, seed=2), tokens(1, 6, seed=3)):
        _, cache = pair.model.prefill(np.concatenate([text[:, :4], later], axis=1))
        logits, _ = pair.model.decode(text[:, 4], cache.rewind(4))
        results.append(np.asarray(logits))
    assert (results[0] == results[1]).all()
    pair.check(results[0], text)


def check_any_order(pair):
    """Prompts, chunks, decoded tokens, rewinding and beginning anew, in any order: a cache equals no cache."""

    class Machine(RuleBasedStateMachine):
        @initialize(batch=st.sampled_from((1, 2)), length=st.sampled_from((1, 3)), seed=st.integers(0, 99))
        def begin(self, batch, length, seed):
            self.text = tokens(batch, length, seed=seed)
            logits, self.cache = pair.model.prefill(self.text)
            pair.check(logits, self.text)

        @rule(batch=st.sampled_from((1, 2)), length=st.sampled_from((1, 3)), seed=st.integers(0, 99))
        def reset(self, batch, length, seed):
            self.begin(batch, length, seed)

        @precondition(lambda self: self.cache.length + 3 <= pair.config.context)
        @rule(seed=st.integers(0, 99))
        def prefill(self, seed):
            chunk = tokens(len(self.text), 3, seed=seed)
            self.text = np.concatenate([self.text, chunk], axis=1)
            logits, self.cache = pair.model.prefill(chunk, self.cache)
            pair.check(logits, self.text)

        @precondition(lambda self: self.cache.length < pair.config.context)
        @rule(seed=st.integers(0, 99))
        def decode(self, seed):
            token = tokens(len(self.text), seed=seed)
            self.text = np.concatenate([self.text, token[:, None]], axis=1)
            logits, self.cache = pair.model.decode(token, self.cache)
            pair.check(logits, self.text)

        @rule(data=st.data())
        def rewind(self, data):
            length = data.draw(st.integers(0, self.cache.length))
            self.text, self.cache = self.text[:, :length], self.cache.rewind(length)
            assert self.cache.length == length

    run_state_machine_as_test(Machine, settings=settings(max_examples=20, stateful_step_count=12, deadline=None))


LAWS = [check_decoding, check_chunks, check_rows, check_causality, check_any_order]


@llama
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("check_"))
def test_laws(subject, law):
    law(Pair(subject))


class Late(reference.Llama):
    """Goes on one position too far behind the prompt, as the seeds did."""

    def prefill(self, tokens, cache=None):
        logits, cache = super().prefill(tokens, cache)
        return logits, replace(cache, length=cache.length + 1)


class Forgetful(reference.Llama):
    """Begins anew with each chunk."""

    def prefill(self, tokens, cache=None):
        return super().prefill(tokens)


class Mixed(reference.Llama):
    """Decodes every row behind the first row's prompt."""

    def decode(self, token, cache):
        cache.keys[:], cache.values[:] = cache.keys[:, :1], cache.values[:, :1]
        return super().decode(token, cache)


class Leaky(reference.Llama):
    """Looks at a position to come, if it has one."""

    def _attention(self, block, x, cache, layer):
        seen = replace(cache, length=min(cache.length + 1, self.config.context - x.shape[1]))
        return super()._attention(block, x, seen, layer)


class Stuck(reference.Llama):
    """Forgets the latest token when it decodes."""

    def decode(self, token, cache):
        return super().decode(token, replace(cache, length=max(cache.length - 1, 0)))


@pytest.mark.parametrize(
    ("law", "broken"),
    [
        *((check_decoding, model) for model in (Late, Mixed, Leaky, Stuck)),
        (check_chunks, Forgetful),
        (check_rows, Mixed),
        (check_causality, Leaky),
        *((check_any_order, model) for model in (Late, Forgetful, Mixed, Leaky, Stuck)),
    ],
)
def test_a_law_can_fail(law, broken):
    params = random_parameters(CONFIG, np.random.default_rng(5), np.float32)
    pair = Pair.__new__(Pair)
    pair.dtype, pair.config = "f32", CONFIG
    pair.model, pair.oracle = broken(params, CONFIG), reference.load(upcast(params), CONFIG)
    with pytest.raises((AssertionError, ValueError)):
        law(pair)


def test_a_later_token_changes_no_earlier_logit():
    model = reference.load(random_parameters(CONFIG, np.random.default_rng(5), np.float64), CONFIG)
    text = tokens(2, 8)
    changed = text.copy()
    changed[:, 5] = (changed[:, 5] + 1) % CONFIG.vocab_size
    same = np.isclose(model.forward(text), model.forward(changed), rtol=0, atol=1e-12).all(axis=-1)
    assert same[:, :5].all()
    assert not same[:, 5:].any()


@llama
def test_long_prompts(subject):
    """Longer than a block of queries, and over the end of one when it is continued."""
    pair = Pair(subject, replace(CONFIG, context=320))
    text = tokens(2, 301)
    logits, cache = pair.model.prefill(text[:, :150])
    pair.check(logits, text[:, :150])
    logits, cache = pair.model.prefill(text[:, 150:300], cache)
    pair.check(logits, text[:, :300])
    logits, _ = pair.model.decode(text[:, 300], cache)
    pair.check(logits, text)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("streamed", [0, numpy_fused.STREAMED])
def test_numpy_multiplies_alike_by_dot_products_and_by_blas(monkeypatch, streamed, columns):
    monkeypatch.setattr(numpy_fused, "STREAMED", streamed)
    rng = np.random.default_rng(2)
    weights, inputs = (rng.standard_normal(shape).astype(np.float32) for shape in ((7, 40), (40, columns)))
    out = np.empty((7, columns), np.float32)
    numpy_fused.product(weights, inputs, out)
    assert np.allclose(out, weights.astype(np.float64) @ inputs, rtol=0, atol=1e-5)

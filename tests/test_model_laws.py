"""What must hold for every model: a cache changes nothing, rows do not mix, and positions are where they belong."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from small_models import (
    CHUNK,
    CONFIGS,
    CONTEXT,
    OURS,
    PROMPT,
    VOCAB_SIZE,
    Pair,
    draw,
    in_family,
    models,
    narrow_models,
    pair,
    tokens,
)

from impls.gpt2 import reference as gpt2
from impls.llama import reference as llama

__all__ = ["pair"]


def check_decoding(pair, padding=None):
    """The first decoded token goes to the slot behind the prompt, the next one to the one after."""
    text = tokens(2, PROMPT + 3)
    logits, cache = pair.model.prefill(text[:, :PROMPT], padding=padding)
    pair.check(logits, text[:, :PROMPT], padding)
    assert cache.length == PROMPT
    for end in range(PROMPT + 1, PROMPT + 4):
        logits, cache = pair.model.decode(text[:, end - 1], cache)
        pair.check(logits, text[:, :end], padding)
        assert cache.length == end


def check_chunks(pair, padding=None):
    text = tokens(2, PROMPT + 2 * CHUNK)
    _, cache = pair.model.prefill(text[:, :PROMPT], padding=padding)
    for end in (PROMPT + CHUNK, PROMPT + 2 * CHUNK):
        logits, cache = pair.model.prefill(text[:, end - CHUNK : end], cache)
        pair.check(logits, text[:, :end], padding)
        assert cache.length == end


def check_padding(pair):
    """Rows that begin late equal each of them alone: after the prompt, after chunks, and token by token."""
    for padding in ([0, PROMPT - 1], [2, 1]):
        check_decoding(pair, padding)
        check_chunks(pair, padding)


def check_causality(pair):
    """What came later and was taken back leaves nothing behind."""
    text, results = tokens(2, PROMPT + 1), []
    for seed in (2, 3):
        _, cache = pair.model.prefill(text[:, :PROMPT])
        _, cache = pair.model.prefill(tokens(2, CHUNK, seed=seed), cache)
        logits, _ = pair.model.decode(text[:, PROMPT], cache.rewind(PROMPT))
        results.append(np.asarray(logits))
    assert (results[0] == results[1]).all()
    pair.check(results[0], text)


def check_any_order(pair, **options):
    """Prompts with and without padding, chunks, tokens, rewinding and new batches, in any order: as without a cache."""
    prompts = {"batch": st.sampled_from((1, 2)), "ragged": st.booleans(), "seed": st.integers(0, 99)}

    class Machine(RuleBasedStateMachine):
        @initialize(**prompts)
        def begin(self, batch, ragged, seed):
            self.text = tokens(batch, PROMPT, seed=seed)
            self.padding = np.random.default_rng(seed).integers(0, PROMPT, batch) if ragged else np.zeros(batch, int)
            logits, self.cache = pair.model.prefill(self.text, padding=self.padding if ragged else None)
            pair.check(logits, self.text, self.padding)

        @rule(**prompts)
        def reset(self, batch, ragged, seed):
            self.begin(batch, ragged, seed)

        @precondition(lambda self: self.cache.length + CHUNK <= CONTEXT)
        @rule(seed=st.integers(0, 99))
        def prefill(self, seed):
            chunk = tokens(len(self.text), CHUNK, seed=seed)
            self.text = np.concatenate([self.text, chunk], axis=1)
            logits, self.cache = pair.model.prefill(chunk, self.cache)
            pair.check(logits, self.text, self.padding)

        @precondition(lambda self: self.cache.length < CONTEXT)
        @rule(seed=st.integers(0, 99))
        def decode(self, seed):
            token = tokens(len(self.text), seed=seed)
            self.text = np.concatenate([self.text, token[:, None]], axis=1)
            logits, self.cache = pair.model.decode(token, self.cache)
            pair.check(logits, self.text, self.padding)

        @rule(data=st.data())
        def rewind(self, data):
            length = data.draw(st.integers(int(self.padding.max()), self.cache.length))
            self.text, self.cache = self.text[:, :length], self.cache.rewind(length)
            assert (self.cache.length, self.cache.batch) == (length, len(self.text))

    few = {"max_examples": max(settings.default.max_examples // 3, 1), "stateful_step_count": 12}
    run_state_machine_as_test(Machine, settings=settings(**few | options))


LAWS = [check_decoding, check_chunks, check_padding, check_causality, check_any_order]


@models
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("check_"))
def test_laws(pair, law):
    law(pair)


@narrow_models
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("check_"))
def test_laws_of_narrow_weights(pair, law):
    law(pair)


class Late(llama.Llama):
    """Goes on one position too far behind the prompt, as the seeds did."""

    def prefill(self, tokens, cache=None, *, padding=None):
        logits, cache = super().prefill(tokens, cache, padding=padding)
        return logits, replace(cache, length=cache.length + 1)


class Forgetful(llama.Llama):
    """Begins anew with each chunk."""

    def prefill(self, tokens, cache=None, *, padding=None):
        return super().prefill(tokens, padding=padding)


class Mixed(llama.Llama):
    """Decodes every row behind the first row's prompt."""

    def decode(self, token, cache):
        cache.keys[:], cache.values[:] = cache.keys[:, :1], cache.values[:, :1]
        return super().decode(token, cache)


class Leaky(llama.Llama):
    """Looks at a position to come, if it has one."""

    def _attention(self, block, x, cache, layer):
        seen = replace(cache, length=min(cache.length + 1, self.config.context - x.shape[1]))
        return super()._attention(block, x, seen, layer)


class Stuck(llama.Llama):
    """Forgets the latest token when it decodes."""

    def decode(self, token, cache):
        return super().decode(token, replace(cache, length=max(cache.length - 1, 0)))


class Unpadded(llama.Llama):
    """Takes padding for the beginning of the text."""

    def prefill(self, tokens, cache=None, *, padding=None):
        return super().prefill(tokens, cache)


class UnpaddedLater(llama.Llama):
    """Takes padding for the beginning of the text, once the prompt is read."""

    def decode(self, token, cache):
        return super().decode(token, replace(cache, padding=np.zeros_like(cache.padding)))


class Absolute(gpt2.GPT2):
    """Does not see padding, but counts it."""

    def _embed(self, tokens, cache):
        return super()._embed(tokens, replace(cache, padding=np.zeros_like(cache.padding)))


class Attentive(gpt2.GPT2):
    """Does not count padding, but sees it."""

    def _attention(self, block, x, cache, layer):
        return super()._attention(block, x, replace(cache, padding=np.zeros_like(cache.padding)), layer)


def check_any_order_once(pair):
    """The same each time, and without a search for the shortest failure, which takes long."""
    check_any_order(pair, max_examples=50, derandomize=True, database=None, phases=[Phase.generate])


BROKEN = [Late, Forgetful, Mixed, Leaky, Stuck, Unpadded, UnpaddedLater, Absolute, Attentive]


@pytest.mark.parametrize(
    ("law", "broken"),
    [
        *((check_decoding, model) for model in (Late, Mixed, Leaky, Stuck)),
        (check_chunks, Forgetful),
        *((check_padding, model) for model in (Unpadded, UnpaddedLater, Absolute, Attentive)),
        (check_causality, Leaky),
        *((check_any_order_once, model) for model in BROKEN),
    ],
)
def test_a_law_can_fail(law, broken):
    family = "gpt2" if issubclass(broken, gpt2.GPT2) else "llama"
    params = draw(family)
    with pytest.raises((AssertionError, ValueError)):
        law(Pair(family, broken(params, CONFIGS[family]), params))


def check_later_token(model):
    text = tokens(2, 8)
    changed = text.copy()
    changed[:, 5] = (changed[:, 5] + 1) % VOCAB_SIZE
    same = np.isclose(model.forward(text), model.forward(changed), rtol=0, atol=1e-12).all(axis=-1)
    assert same[:, :5].all()
    assert not same[:, 5:].any()


@pytest.mark.parametrize("family", CONFIGS)
def test_a_later_token_changes_no_earlier_logit(family):
    check_later_token(in_family(family, "reference").load(draw(family, "f64"), CONFIGS[family]))


@pytest.mark.subjects(*CONFIGS, operation="decode", backends=[name for name in OURS if "jax" not in name])
def test_long_prompts(subject):
    """Longer than a block of queries, and over the end of one when it is continued. XLA knows no such end."""
    long = Pair.of(subject, replace(CONFIGS[subject.folder.name], context=301))
    text, padding = tokens(2, 301), [0, 140]
    _, cache = long.model.prefill(text[:, :150], padding=padding)
    logits, cache = long.model.prefill(text[:, 150:300], cache)
    long.check(logits, text[:, :300], padding)
    logits, _ = long.model.decode(text[:, 300], cache)
    long.check(logits, text, padding)

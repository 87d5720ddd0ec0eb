"""What a text generated in JAX must not cost: a program for its length, a second cache, a transfer at every step."""

from dataclasses import replace

import numpy as np
import pytest
from small_models import CONFIGS, draw, in_family, tokens

from impls.generation import generate, sampled, stream
from kernelgate.compilation import compilation
from kernelgate.kernel import BACKENDS

BOTH = tuple(CONFIGS)
jax_models = pytest.mark.subjects(*BOTH, operation="generate", backends=("jax",))
narrow_jax_models = pytest.mark.subjects(*BOTH, operation="decode", backends=("jax_int8",))
# One layer, since every program is compiled anew for this length.
LONG = {family: replace(config, layers=1, context=256) for family, config in CONFIGS.items()}
PROMPT = tokens(2, 3).astype(np.int32)
SHORT_COUNT, LONG_COUNT = 16, 200


def load(subject):
    config = LONG[subject.folder.name]
    return subject.module.load(*subject.place((draw(subject.folder.name, config=config),)), config)


def check_programs(model, prompt):
    """What generates a short text generates a long one. JAX raises where it would trace another program."""
    import jax

    facts = {}
    generate(model, prompt, SHORT_COUNT)
    with jax.no_tracing(True), compilation(BACKENDS["jax"], facts):
        generate(model, prompt, LONG_COUNT)
    assert facts["compilations"] == 0


def check_transfers(model, prompt):
    """The host gives nothing to a step, and fetches nothing from it."""
    import jax

    cache = model.prefill(prompt)[1]
    token = jax.device_put(prompt[:, 0])
    cache = model.decode(token, cache)[1]
    with jax.transfer_guard("disallow"):
        model.decode(token, cache)


def check(subject):
    model = load(subject)
    (prompt,) = subject.place((PROMPT,))
    check_programs(model, prompt)
    check_transfers(model, prompt)


@jax_models
def test_a_text_of_any_length_takes_the_same_programs_and_no_transfers(subject):
    check(subject)


@narrow_jax_models
def test_a_text_in_narrow_weights_takes_the_same_programs_and_no_transfers(subject):
    check(subject)


@pytest.fixture
def steps():
    pytest.importorskip("jax")
    from impls.jax_models import scanned, unrolled

    return unrolled, scanned


def model_of(kind, layers=1):
    config = replace(LONG["llama"], layers=layers)
    return kind(*in_family("llama", "jax_unrolled").decoder_of(draw("llama", config=config), config))


def memory(step, model, state):
    """What XLA takes for a step: bytes written in place, and bytes for the time of the step."""
    token = tokens(2).astype(np.int32)
    lowered = step.lower(model.weights, token, state.kept, state.apart, decoder=model.decoder)
    taken = lowered.compile().memory_analysis()
    return taken.alias_size_in_bytes, taken.temp_size_in_bytes


def check_alias(step, model):
    import jax

    state = model.prefill(PROMPT)[1].state
    cached = sum(array.nbytes for array in jax.tree.leaves(state.kept))
    aliased, temporary = memory(step, model, state)
    assert aliased >= cached
    assert temporary < cached


def test_a_step_is_compiled_to_write_into_the_cache_that_it_is_given(steps):
    unrolled, scanned = steps
    check_alias(unrolled.advance, model_of(unrolled.Unrolled))
    # It takes one layer at a time out of the stacks.
    check_alias(scanned.advance, model_of(scanned.Scanned, layers=12))


def test_the_check_for_a_second_cache_can_fail(steps):
    import jax

    unrolled, _ = steps
    undonated = jax.jit(unrolled.advance.__wrapped__, static_argnames="decoder")
    with pytest.raises(AssertionError):
        check_alias(undonated, model_of(unrolled.Unrolled))


def test_the_checks_for_programs_and_transfers_can_fail(steps):
    import jax

    unrolled, _ = steps

    class Growing(unrolled.Unrolled):
        """Has a program of its own for each length, as a cache that grows has."""

        def decode(self, token, cache):
            logits, after = super().decode(token, cache)
            return logits + jax.numpy.zeros(cache.length).sum(), after

    class Fetching(unrolled.Unrolled):
        """Gives the length to each step anew."""

        def decode(self, token, cache):
            return super().decode(token, replace(cache, state=cache.state._replace(length=np.int32(cache.length))))

    with pytest.raises(RuntimeError, match="no_tracing"):
        check_programs(model_of(Growing), PROMPT)
    with pytest.raises(jax.errors.JaxRuntimeError, match="host-to-device"):
        check_transfers(model_of(Fetching), PROMPT)


@pytest.mark.parametrize("drawn", [False, True], ids=["likeliest", "drawn"])
def test_one_program_gives_what_steps_give(steps, drawn):
    from impls.jax_models.looped import Looped

    model = model_of(Looped)

    def picker():
        return {"pick": sampled(1.5, np.random.default_rng(7))} if drawn else {}

    def by_step(**settings):
        tokens = [np.asarray(token) for token in stream(model, PROMPT, 12, padding=[0, 2], **picker(), **settings)]
        return np.stack(tokens, axis=1)

    # Rows that stop after different tokens; the last one ends the text.
    text = by_step()
    stop = (int(text[0, 4]), int(text[1, 6]))
    whole = generate(model, PROMPT, 12, padding=[0, 2], stop=stop, **picker())
    assert whole.tolist() == by_step(stop=stop).tolist()
    assert whole.shape[1] < 12

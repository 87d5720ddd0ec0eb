"""Laws of tokenizers and samplers, for every implementation; each law is shown to reject a wrong one."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impls.sampling_temperature import reference as plain
from impls.sampling_temperature.spec import KERNEL as PLAIN
from impls.sampling_top_k.reference import sampling_top_k
from impls.sampling_top_p.reference import sampling_top_p
from impls.vocabulary import default_vocabulary
from kernelgate.kernel import DTYPES

law = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32 - 1)
OURS = ("reference", "numpy", "numba", "jax")
CHECKED = ("reference", "numpy", "numba")
# Shapes are few, since each compiles JAX anew.
BATCH, VOCAB_SIZE = 5, 300
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
CUTS = {"sampling_temperature": (), "sampling_top_k": (40,), "sampling_top_p": (0.9,)}


@pytest.mark.subjects("tokenizer_encode", operation="kernel")
@given(text=st.text(max_size=40) | st.text("the \n-é", max_size=40))
@law
def test_text_is_what_its_ids_decode_to(subject, text):
    # The reference needs a tenth of a second for 40 characters.
    text = text[:10] if subject.implementation == "reference" else text
    ids = subject(text, *default_vocabulary().encoding)
    assert default_vocabulary().decode(ids) == text.replace("▁", " ")


@pytest.mark.subjects("tokenizer_decode", operation="kernel")
@given(text=st.text(max_size=40) | st.text("the \n-é", max_size=40))
@law
def test_ids_decode_to_the_text_that_they_were_encoded_from(subject, text):
    ids = np.array(default_vocabulary().encode(text), np.int32)
    assert subject(ids, *default_vocabulary().decoding).tobytes().decode() == text.replace("▁", " ")


@pytest.mark.subjects("tokenizer_encode", operation="kernel", backends=CHECKED)
def test_a_lone_surrogate_is_refused(subject):
    with pytest.raises(ValueError, match="surrogate"):
        subject("a\ud800", *default_vocabulary().encoding)


@pytest.mark.subjects("tokenizer_decode", operation="kernel", backends=CHECKED)
@pytest.mark.parametrize("token_id", [-1, 2048])
def test_an_id_outside_the_vocabulary_is_refused(subject, token_id):
    with pytest.raises(ValueError, match=rf"ids: {token_id} is not a token.*vocab_size = 2048"):
        subject(np.array([300, token_id], np.int32), *default_vocabulary().decoding)


@pytest.mark.subjects("tokenizer_decode", operation="kernel", backends=CHECKED)
@given(ids=st.lists(st.integers(0, 2047), max_size=20))
@law
def test_ids_that_make_no_utf8_decode_alike(subject, ids):
    vocabulary = default_vocabulary()
    text = subject(np.array(ids, np.int32), *vocabulary.decoding).tobytes()
    assert text.decode(errors="replace") == vocabulary.decode(ids)


def distinct_logits(subject, seed):
    """Logits no two of which are equal, in either dtype."""
    rng = np.random.default_rng(seed)
    steps = np.stack([rng.permutation(VOCAB_SIZE) for _ in range(BATCH)])
    # 300 numbers of 8 bits: from 1 to 2**-1.3 and their opposites, times powers of two.
    half = VOCAB_SIZE // 2
    sizes = (1 + (np.arange(half) % 64) / 64) * 2.0 ** (np.arange(half) // 64)
    return np.concatenate([-sizes[::-1], sizes])[steps].astype(DTYPES[subject.dtype])


def uniforms(seed):
    return np.random.default_rng(seed + 1).random(BATCH, dtype=np.float32)


def drawn(subject, logits, uniform, cut=None):
    """The tokens that a sampler of any kind draws at temperature 1."""
    cuts = CUTS[subject.folder.name] if cut is None else (cut,)
    return subject(logits, np.asarray(uniform, np.float32), 1.0, *cuts)


SAMPLERS = pytest.mark.subjects(*CUTS, operation="kernel")


@SAMPLERS
@given(seed=seeds)
@law
def test_a_token_of_probability_0_is_never_drawn(subject, seed):
    logits = distinct_logits(subject, seed)
    logits[np.random.default_rng(seed).random(logits.shape) < 0.7] = -np.inf
    logits[:, VOCAB_SIZE // 2] = 0
    for uniform in (np.zeros(BATCH), uniforms(seed), np.full(BATCH, BELOW_ONE)):
        tokens = drawn(subject, logits, uniform)
        assert np.isfinite(logits[np.arange(BATCH), tokens].astype(np.float32)).all()


@SAMPLERS
@given(seed=seeds, first=st.integers(0, VOCAB_SIZE - 2))
@law
def test_0_draws_the_first_token_and_almost_1_the_last(subject, seed, first):
    last = first + 1 + seed % (VOCAB_SIZE - 1 - first)
    logits = np.full((BATCH, VOCAB_SIZE), -np.inf, DTYPES[subject.dtype])
    logits[:, first] = logits[:, last] = 1
    assert (drawn(subject, logits, np.zeros(BATCH)) == first).all()
    # What rounds to 1 in float32 may be given as such.
    for end in (BELOW_ONE, 1):
        assert (drawn(subject, logits, np.full(BATCH, end)) == last).all()


@pytest.mark.subjects("sampling_top_k", "sampling_top_p", operation="kernel")
@given(seed=seeds)
@law
def test_the_narrowest_cut_is_greedy(subject, seed):
    logits = distinct_logits(subject, seed)
    narrowest = {"sampling_top_k": 1, "sampling_top_p": 1e-6}[subject.folder.name]
    likeliest = logits.astype(np.float32).argmax(axis=1)
    assert (drawn(subject, logits, uniforms(seed), narrowest) == likeliest).all()


@pytest.mark.subjects("sampling_top_k", "sampling_top_p", operation="kernel")
@given(seed=seeds)
@law
def test_a_cut_that_keeps_all_is_none(subject, seed):
    logits = (distinct_logits(subject, seed).astype(np.float32) / 8).astype(DTYPES[subject.dtype])
    widest = {"sampling_top_k": VOCAB_SIZE, "sampling_top_p": 1.0}[subject.folder.name]
    uniform = uniforms(seed)
    PLAIN.agrees(drawn(subject, logits, uniform, widest), logits.astype(np.float64), uniform.astype(np.float64), 1.0)


@pytest.mark.subjects(*CUTS, operation="kernel")
@given(seed=seeds)
@law
def test_frequencies_are_probabilities(subject, seed):
    logits = np.full((BATCH, VOCAB_SIZE), -np.inf, DTYPES[subject.dtype])
    places = np.sort(np.random.default_rng(seed).permutation(VOCAB_SIZE)[:3])
    logits[:, places] = np.log([0.5, 0.3, 0.2])
    tokens = drawn(subject, logits, [0.1, 0.48, 0.52, 0.78, 0.82])
    assert tokens.tolist() == places[[0, 0, 1, 1, 2]].tolist()


@pytest.mark.subjects(*CUTS, operation="kernel", backends=CHECKED)
def test_a_temperature_of_0_is_refused(subject):
    with pytest.raises(ValueError, match=r"temperature is 0\.0, expected more than 0"):
        subject(np.ones((1, 4), DTYPES[subject.dtype]), np.zeros(1, np.float32), 0.0, *CUTS[subject.folder.name])


@pytest.mark.subjects(*CUTS, operation="kernel", backends=("numba",))
def test_a_number_for_each_row_is_needed(subject):
    with pytest.raises(ValueError, match=r"uniform has shape \(1,\), expected \(2,\)"):
        drawn(subject, np.ones((2, 4), np.float32), [0.5])


@pytest.mark.subjects("sampling_top_k", operation="kernel", backends=OURS)
def test_a_k_of_0_is_refused(subject):
    with pytest.raises(ValueError, match="k is 0, expected at least 1"):
        drawn(subject, np.ones((1, 4), DTYPES[subject.dtype]), [0.5], 0)


@pytest.mark.subjects("sampling_top_p", operation="kernel", backends=CHECKED)
@pytest.mark.parametrize("p", [0.0, 1.5, float("nan")])
def test_a_p_that_is_no_share_is_refused(subject, p):
    with pytest.raises(ValueError, match=f"p is {p}, expected more than 0 and at most 1"):
        drawn(subject, np.ones((1, 4), DTYPES[subject.dtype]), [0.5], p)


class WrongSubject(SimpleNamespace):
    """Stands in for a subject whose implementation breaks a law."""

    dtype = "f32"
    implementation = "numpy_wrong"

    def __call__(self, *arguments):
        return self.function(*arguments)


def wrong(name, function):
    return WrongSubject(folder=SimpleNamespace(name=name), function=function)


def sampler(logits, uniform, temperature, *cut):
    return plain.sampling_temperature(logits, uniform, temperature)


def stripped(text, *vocabulary):
    return np.array(default_vocabulary().encode(text.strip(), bos=False), np.int32)


def off_by_one(*arguments):
    return sampler(*arguments) + 1


@pytest.mark.parametrize(
    ("broken", "spoilt", "drawn_values"),
    [
        (test_text_is_what_its_ids_decode_to, wrong("tokenizer_encode", stripped), {"text": "a "}),
        (
            test_ids_decode_to_the_text_that_they_were_encoded_from,
            wrong("tokenizer_decode", lambda ids, *vocabulary: np.frombuffer(b" a", np.uint8)),
            {"text": "a"},
        ),
        (
            test_ids_that_make_no_utf8_decode_alike,
            wrong("tokenizer_decode", lambda ids, *vocabulary: np.frombuffer(b"", np.uint8)),
            {"ids": [200]},
        ),
        (test_a_token_of_probability_0_is_never_drawn, wrong("sampling_temperature", off_by_one), {"seed": 0}),
        (
            test_0_draws_the_first_token_and_almost_1_the_last,
            wrong("sampling_temperature", lambda logits, *others: logits.argmax(axis=1)),
            {"seed": 0, "first": 5},
        ),
        (test_the_narrowest_cut_is_greedy, wrong("sampling_top_k", sampler), {"seed": 0}),
        (
            test_a_cut_that_keeps_all_is_none,
            wrong("sampling_top_p", lambda *arguments: sampling_top_p(*arguments[:3], 0.5)),
            {"seed": 0},
        ),
        (
            test_a_cut_that_keeps_all_is_none,
            wrong("sampling_top_k", lambda *arguments: sampling_top_k(*arguments[:3], 20)),
            {"seed": 0},
        ),
        (test_frequencies_are_probabilities, wrong("sampling_temperature", off_by_one), {"seed": 0}),
    ],
)
def test_a_law_can_fail(broken, spoilt, drawn_values):
    with pytest.raises(AssertionError):
        broken.hypothesis.inner_test(subject=spoilt, **drawn_values)

"""Laws of the operations on rows and elements, without an oracle; each law is shown to reject a wrong one."""

from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impls.gelu_erf.reference import gelu_erf
from impls.log_softmax.reference import log_softmax
from impls.masked_softmax.reference import masked_softmax
from impls.rmsnorm_residual.reference import rmsnorm_residual
from kernelgate.kernel import DTYPES, discover

KERNELS = discover("impls")
GATES = ("silu", "gelu_tanh", "gelu_erf")
law = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32 - 1)


def draw(subject, seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(DTYPES[subject.dtype])


def wide(array):
    return np.asarray(array, np.float64)


def close(subject, left, right, ulps):
    """Whether two results agree within some ulps of the largest of them."""
    left, right = wide(left), wide(right)
    unit = float(ml_dtypes.finfo(DTYPES[subject.dtype]).eps) * max(np.abs(left).max(), np.abs(right).max())
    return left.shape == right.shape and np.abs(left - right).max() <= ulps * unit


@pytest.mark.subjects(*GATES, operation="kernel")
@given(seed=seeds)
@law
def test_a_gate_lets_through_what_it_holds_back_of_the_opposite(subject, seed):
    x = draw(subject, seed, 3, 40)
    assert close(subject, wide(subject(x)) - wide(subject(-x)), x, 4)


# Not the libraries: torch's exact GELU, where it is vectorised, gives NaN for infinity.
@pytest.mark.subjects(*GATES, operation="kernel", backends=("reference", "numpy", "numba", "jax"))
def test_a_gate_keeps_infinity_and_nan_and_is_shut_far_below_zero(subject):
    x = np.array([[np.inf, np.nan, -30.0, 0.0]], DTYPES[subject.dtype])
    passed = wide(subject(x))[0]
    assert passed[0] == np.inf and np.isnan(passed[1]) and abs(passed[2]) < 1e-10 and passed[3] == 0


@pytest.mark.subjects("layernorm", operation="kernel")
@given(seed=seeds, power=st.integers(-8, 8))
@law
def test_layernorm_does_not_see_a_scale_or_a_shift(subject, seed, power):
    x = np.rint(4 * wide(draw(subject, seed, 3, 40)))  # so that scale and shift are exact in both dtypes
    gain, bias = draw(subject, seed + 1, 40), draw(subject, seed + 2, 40)
    normed, moved = (
        subject(given.astype(DTYPES[subject.dtype]), gain, bias, eps)
        for given, eps in ((x, 1e-5), ((x + 16) * 2.0**power, 1e-5 * 4.0**power))
    )
    assert close(subject, normed, moved, 8)


@pytest.mark.subjects("rmsnorm_residual", operation="kernel")
@given(seed=seeds)
@law
def test_the_order_of_a_residual_sum_is_of_no_matter(subject, seed):
    x, residual, gain = draw(subject, seed, 3, 40), draw(subject, seed + 1, 3, 40), draw(subject, seed + 2, 40)
    one, other = subject(x, residual, gain, 1e-5), subject(residual, x, gain, 1e-5)
    assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
    assert close(subject, one[0], wide(x) + wide(residual), 1)


@pytest.mark.subjects("masked_softmax", operation="kernel")
@given(seed=seeds)
@law
def test_a_masked_key_has_no_share_and_the_others_share_all(subject, seed):
    scores = draw(subject, seed, 2, 3, 40)
    seen = np.random.default_rng(seed).random((3, 40)) < 0.5
    seen[:, 0], seen[2] = True, False
    shares = wide(subject(scores, np.where(seen, 0, -np.inf).astype(scores.dtype), 0.5))
    assert (shares[:, ~seen] == 0).all()
    assert close(subject, shares.sum(axis=-1), np.array([[1.0, 1.0, 0.0]] * 2), 4)


@pytest.mark.subjects("masked_softmax", operation="kernel")
def test_a_masked_softmax_hides_no_nan(subject):
    scores = np.array([[[0.0, np.nan, 1.0]]], DTYPES[subject.dtype])
    assert np.isnan(wide(subject(scores, np.zeros((1, 3), scores.dtype), 1.0))).all()


@pytest.mark.subjects("log_softmax", operation="kernel")
@given(seed=seeds)
@law
def test_the_exponentials_of_a_log_softmax_sum_to_one(subject, seed):
    logarithms = wide(subject(draw(subject, seed, 3, 40)))
    assert (logarithms <= 0).all()
    # An error of an ulp of a logarithm, of 8 at most here, is as much of the probability.
    assert close(subject, np.exp(logarithms).sum(axis=-1), np.ones(3), 8)


@pytest.mark.subjects("cross_entropy", operation="kernel")
@given(seed=seeds)
@law
def test_the_losses_of_all_targets_are_those_of_probabilities(subject, seed):
    logits = np.repeat(draw(subject, seed, 1, 40), 40, axis=0)
    losses = wide(subject(logits, np.arange(40, dtype=np.int32)))
    assert (losses >= 0).all()
    assert close(subject, np.exp(-losses).sum(), np.ones(()), 8)


@pytest.mark.subjects("log_softmax", "cross_entropy", operation="kernel")
def test_logits_that_are_not_numbers_give_none(subject):
    logits = np.zeros((1, 40), DTYPES[subject.dtype])
    logits[0, 20] = np.nan
    targets = () if subject.folder.name == "log_softmax" else (np.zeros(1, np.int32),)
    assert np.isnan(wide(subject(logits, *targets))).all()


@pytest.mark.subjects("embedding", operation="kernel")
def test_an_embedding_of_all_ids_is_the_table(subject):
    table = draw(subject, 0, 50, 40)
    assert np.array_equal(subject(np.arange(50, dtype=np.int32)[None], table)[0], table)


def with_bad_id(name, dtype, bad):
    """Arguments of the kernel with one id among good ones."""
    rng = np.random.default_rng(0)
    first, *rest = KERNELS[name].operations["kernel"].inputs(rng, dtype, **BAD_ID_DIMS[name])
    ids = rest[0] if name == "cross_entropy" else first
    ids.flat[-1] = bad
    return (first, *rest)


BAD_ID_DIMS = {
    "embedding": {"batch": 1, "tokens": 3, "vocab_size": 9, "dim": 8},
    "embedding_position": {"batch": 1, "seq": 3, "vocab_size": 9, "context": 5, "dim": 8},
    "cross_entropy": {"rows": 3, "vocab_size": 9},
}


@pytest.mark.subjects(*BAD_ID_DIMS, operation="kernel", backends=("reference", "numpy", "numba"))
@pytest.mark.parametrize("bad", [-1, 9])
def test_an_id_outside_the_table_is_refused(subject, bad):
    with pytest.raises(ValueError, match=rf"holds id {bad}, expected 0 to 8"):
        subject(*with_bad_id(subject.folder.name, DTYPES[subject.dtype], bad))


@pytest.mark.subjects(*BAD_ID_DIMS, operation="kernel", backends=("jax",))
@pytest.mark.parametrize("bad", [-1, 9])
def test_an_id_outside_the_table_is_not_a_number_on_a_device(subject, bad):
    result = wide(subject(*with_bad_id(subject.folder.name, DTYPES[subject.dtype], bad)))
    found = np.isnan(result).reshape(3, -1).all(axis=1)
    assert found.tolist() == [False, False, True]


@pytest.mark.subjects("embedding_position", operation="kernel", backends=("reference", "numpy", "numba"))
@pytest.mark.parametrize("start", [-1, 3])
def test_a_position_beyond_the_context_is_refused(subject, start):
    ids, _, *tables = with_bad_id("embedding_position", DTYPES[subject.dtype], 0)
    with pytest.raises(ValueError, match=rf"start is {start}, expected 0 to 2"):
        subject(ids, start, *tables)


class WrongSubject(SimpleNamespace):
    """Stands in for a subject whose implementation breaks a law."""

    dtype = "f32"

    def __call__(self, *arguments):
        return self.function(*arguments)


def hiding(scores, mask, scale):
    return masked_softmax(np.nan_to_num(scores), np.maximum(mask, -5), scale)


def lopsided(x, residual, gain, eps):
    return rmsnorm_residual(x * np.float32(1.001), residual, gain, eps)


def uncentred(x, gain, bias, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * gain + bias


def wrapping(*arguments):
    return np.zeros((3, 8), np.float32)


NAMED = {"folder": SimpleNamespace(name="embedding")}


@pytest.mark.parametrize(
    ("broken", "function", "drawn"),
    [
        (test_a_gate_lets_through_what_it_holds_back_of_the_opposite, lambda x: np.maximum(x, 0.1), {"seed": 0}),
        (
            test_a_gate_keeps_infinity_and_nan_and_is_shut_far_below_zero,
            lambda x: gelu_erf(np.nan_to_num(x)),
            {},
        ),
        (test_layernorm_does_not_see_a_scale_or_a_shift, uncentred, {"seed": 0, "power": 3}),
        (test_the_order_of_a_residual_sum_is_of_no_matter, lopsided, {"seed": 0}),
        (test_a_masked_key_has_no_share_and_the_others_share_all, hiding, {"seed": 0}),
        (test_a_masked_softmax_hides_no_nan, hiding, {}),
        (test_the_exponentials_of_a_log_softmax_sum_to_one, lambda x: x - x.max(axis=-1, keepdims=True), {"seed": 0}),
        (
            test_the_losses_of_all_targets_are_those_of_probabilities,
            lambda x, targets: x.max(axis=-1) - x[np.arange(len(x)), targets],
            {"seed": 0},
        ),
        (test_logits_that_are_not_numbers_give_none, lambda x, *_: log_softmax(np.nan_to_num(x)), NAMED),
        (test_an_embedding_of_all_ids_is_the_table, lambda ids, table: table[ids // 2], {}),
        (test_an_id_outside_the_table_is_refused, wrapping, {"bad": -1, **NAMED}),
        (test_an_id_outside_the_table_is_not_a_number_on_a_device, wrapping, {"bad": -1, **NAMED}),
        (test_a_position_beyond_the_context_is_refused, wrapping, {"start": 3}),
    ],
)
def test_a_law_can_fail(broken, function, drawn):
    subject = WrongSubject(function=function, folder=drawn.get("folder"))
    drawn = {name: value for name, value in drawn.items() if name != "folder"}
    check = broken.hypothesis.inner_test if hasattr(broken, "hypothesis") else broken
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(subject=subject, **drawn)

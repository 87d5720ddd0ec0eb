"""Laws that hold without an oracle, for every implementation; each law is shown to reject a wrong one."""

from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impls.rmsnorm.reference import rmsnorm
from impls.rope.reference import rope
from impls.softmax.reference import softmax
from kernelgate.kernel import DTYPES, discover

KERNELS = discover("impls")
law = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32 - 1)


def draw(subject, seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(DTYPES[subject.dtype])


def close(subject, left, right, ulps):
    """Whether two results agree within some ulps of the largest of them."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    unit = float(ml_dtypes.finfo(DTYPES[subject.dtype]).eps) * max(np.abs(left).max(), np.abs(right).max())
    return left.shape == right.shape and np.abs(left - right).max() <= ulps * unit


def rounded(subject, array):
    return np.asarray(array).astype(DTYPES[subject.dtype])


@pytest.mark.subjects("softmax", operation="kernel")
@given(seed=seeds)
@law
def test_softmax_sums_to_one(subject, seed):
    probabilities = subject(draw(subject, seed, 3, 40)).astype(np.float64)
    assert (probabilities >= 0).all()
    assert close(subject, probabilities.sum(axis=-1), np.ones(3), 4)


@pytest.mark.subjects("softmax", operation="kernel")
@given(seed=seeds)
@law
def test_softmax_does_not_see_a_shift(subject, seed):
    scores = rounded(subject, np.rint(4 * draw(subject, seed, 3, 40).astype(np.float32)))
    shifted = rounded(subject, scores.astype(np.float32) + 16)  # exact in both dtypes
    assert close(subject, subject(scores), subject(shifted), 1)


@pytest.mark.subjects("softmax", operation="kernel")
def test_softmax_gives_a_masked_score_nothing(subject):
    scores = np.array([[0.0, -np.inf, 1.0]], DTYPES[subject.dtype])
    assert subject(scores)[0, 1] == 0


@pytest.mark.subjects("softmax", operation="kernel")
def test_softmax_of_nan_is_nan(subject):
    for sign in (1, -1):
        scores = np.array([[0.0] * 20 + [sign * np.nan] + [1.0] * 20], DTYPES[subject.dtype])
        assert np.isnan(subject(scores).astype(np.float32)).all()


@pytest.mark.subjects("rmsnorm", operation="kernel")
@given(seed=seeds, power=st.integers(-8, 8))
@law
def test_rmsnorm_does_not_see_a_scale(subject, seed, power):
    x, gain = draw(subject, seed, 3, 40), draw(subject, seed + 1, 40)
    scaled = rounded(subject, x.astype(np.float32) * 2.0**power)  # exact in both dtypes
    assert close(subject, subject(x, gain, 1e-5), subject(scaled, gain, 1e-5 * 4.0**power), 4)


def angles(subject, positions, half):
    turns = np.asarray(positions)[:, None] * 100.0 ** (-np.arange(half) / half)
    return rounded(subject, np.cos(turns)), rounded(subject, np.sin(turns))


@pytest.mark.subjects("rope", operation="kernel")
@given(seed=seeds)
@law
def test_rope_keeps_norms(subject, seed):
    x = draw(subject, seed, 1, 5, 2, 16)
    turned = subject(x, *angles(subject, range(5), 8))
    assert close(subject, np.linalg.norm(turned.astype(float), axis=-1), np.linalg.norm(x.astype(float), axis=-1), 8)


@pytest.mark.subjects("rope", operation="kernel")
@given(seed=seeds, shift=st.integers(1, 50))
@law
def test_rope_scores_depend_on_the_distance_only(subject, seed, shift):
    query, key = draw(subject, seed, 1, 1, 1, 16), draw(subject, seed + 1, 1, 1, 1, 16)

    def score(query_position, key_position):
        turned = [
            subject(x, *angles(subject, [position], 8)).astype(float)
            for x, position in ((query, query_position), (key, key_position))
        ]
        return float((turned[0] * turned[1]).sum())

    size = np.linalg.norm(query.astype(float)) * np.linalg.norm(key.astype(float))
    tolerance = 16 * float(ml_dtypes.finfo(DTYPES[subject.dtype]).eps) * size
    assert abs(score(7, 3) - score(7 + shift, 3 + shift)) <= tolerance


@pytest.mark.subjects("rmsnorm", "softmax", "swiglu", operation="kernel")
@given(seed=seeds, row=st.integers(0, 6))
@law
def test_a_row_of_a_batch_equals_that_row_alone(subject, seed, row):
    dims = {name: values[-1] for name, values in subject.kernel.domain.items()}
    batch, *others = subject.kernel.inputs(np.random.default_rng(seed), DTYPES[subject.dtype], **dims)
    allowed = 2 * subject.kernel.ulps[subject.dtype]
    assert close(subject, subject(batch, *others)[row : row + 1], subject(batch[row : row + 1], *others), allowed)


def leaky_softmax(x):
    return np.maximum(softmax(x), np.float32(1e-4))


class WrongSubject(SimpleNamespace):
    """Stands in for a subject whose implementation breaks a law."""

    dtype = "f32"

    def __call__(self, *arguments):
        return self.function(*arguments)


@pytest.mark.parametrize(
    ("broken", "function", "drawn"),
    [
        (test_softmax_sums_to_one, lambda x: softmax(x) * np.float32(1.001), {"seed": 0}),
        (test_softmax_does_not_see_a_shift, lambda x: x / x.sum(axis=-1, keepdims=True), {"seed": 0}),
        (test_softmax_gives_a_masked_score_nothing, leaky_softmax, {}),
        (test_softmax_of_nan_is_nan, lambda x: softmax(np.nan_to_num(x)), {}),
        (test_rmsnorm_does_not_see_a_scale, lambda x, gain, eps: rmsnorm(x, gain, 1e-2), {"seed": 0, "power": 3}),
        (test_rope_keeps_norms, lambda x, cos, sin: rope(x, cos, np.abs(sin) + 1), {"seed": 0}),
        (
            test_rope_scores_depend_on_the_distance_only,
            lambda x, cos, sin: rope(x, cos, sin * sin),
            {"seed": 0, "shift": 9},
        ),
        (test_a_row_of_a_batch_equals_that_row_alone, lambda x: softmax(x - x.mean() * x), {"seed": 0, "row": 1}),
    ],
)
def test_a_law_can_fail(broken, function, drawn):
    subject = WrongSubject(function=function, kernel=KERNELS["softmax"].operations["kernel"])
    check = broken.hypothesis.inner_test if hasattr(broken, "hypothesis") else broken
    with pytest.raises(AssertionError):
        check(subject=subject, **drawn)

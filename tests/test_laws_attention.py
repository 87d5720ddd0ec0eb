"""Laws of attention and of rotary embedding that hold without an oracle; each is shown to reject a wrong one."""

import importlib
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impls.attention_decode.reference import attended as attended_once
from impls.attention_mask.reference import attention_mask
from impls.attention_prefill.reference import attended, attention_prefill
from impls.rope_interleaved.reference import rope_interleaved
from impls.rope_tables.reference import rope_tables
from kernelgate.kernel import DTYPES, discover

KERNELS = discover("impls")
law = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32 - 1)
# One shape for all laws of a kernel, since each new one recompiles JAX: two blocks of 16 and a rest.
SEQ, HEADS, KV_HEADS, HEAD_DIM = 37, 4, 2, 16


def draw(subject, seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(DTYPES[subject.dtype])


def close(subject, left, right, ulps):
    """Whether two results agree within some ulps of the largest of them."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    unit = float(ml_dtypes.finfo(DTYPES[subject.dtype]).eps) * max(np.abs(left).max(), np.abs(right).max())
    return left.shape == right.shape and np.abs(left - right).max() <= ulps * unit


def prompt(subject, seed, batch=2):
    shapes = ((batch, SEQ, heads, HEAD_DIM) for heads in (HEADS, KV_HEADS, KV_HEADS))
    return [draw(subject, seed + i, *shape) for i, shape in enumerate(shapes)]


def rest(subject):
    """What the kernel takes behind queries, keys and values."""
    name = subject.folder.name
    if name == "sliding_window_attention":
        return (20,)
    if name == "block_sparse_attention":
        return np.array([[0, -1], [0, 1], [1, 2]], np.int32), 16
    return ()


PROMPTS = pytest.mark.subjects(
    "attention_prefill", "sliding_window_attention", "block_sparse_attention", operation="kernel"
)


@PROMPTS
@given(seed=seeds, position=st.integers(1, SEQ - 1))
@law
def test_a_later_token_changes_no_earlier_output(subject, seed, position):
    q, k, v = prompt(subject, seed)
    before = subject(q, k, v, *rest(subject))[:, :position]
    for array in (q, k, v):
        array[:, position] = 30
    after = subject(q, k, v, *rest(subject))
    assert (after[:, :position] == before).all()
    # The token itself is seen, or the law would hold of nothing.
    assert close(subject, after[:, position, :, 0], np.full((2, HEADS), 30), 4)


@PROMPTS
@given(seed=seeds)
@law
def test_a_text_of_a_batch_equals_the_text_alone(subject, seed):
    q, k, v = prompt(subject, seed)
    both = subject(q, k, v, *rest(subject))
    # Twice the same text, so that the shape stays.
    twice = subject(*(np.stack([x[1], x[1]]) for x in (q, k, v)), *rest(subject))
    assert close(subject, both[1], twice[0], 4)
    assert close(subject, both[1], twice[1], 4)


@PROMPTS
@given(seed=seeds)
@law
def test_equal_values_come_out_as_they_are(subject, seed):
    q, k, v = prompt(subject, seed)
    v[...] = v[:, :1]
    mixed = subject(q, k, v, *rest(subject))
    # Their weights sum to 1 but for rounding: in 10,000 draws off by 4.5 at most.
    assert close(subject, mixed, np.broadcast_to(np.repeat(v[:, :1], HEADS // KV_HEADS, axis=2), mixed.shape), 8)


@pytest.mark.subjects("attention_decode", operation="kernel")
@given(seed=seeds, length=st.integers(1, SEQ))
@law
def test_decode_is_the_last_row_of_prefill(subject, seed, length):
    q, k, v = prompt(subject, seed)
    whole = attention_prefill(*(x[:, :length].astype(np.float64) for x in (q, k, v)))
    # What lies behind the length is not looked at.
    k[:, length:] = v[:, length:] = 30
    assert close(subject, subject(q[:, length - 1], k, v, length), whole[:, -1], 16)


@pytest.mark.subjects("attention_decode_ring", operation="kernel")
@given(seed=seeds, length=st.integers(SEQ, 3 * SEQ), window=st.integers(1, SEQ))
@law
def test_a_ring_may_begin_anywhere(subject, seed, length, window):
    q, k, v = prompt(subject, seed)
    token = q[:, 0]
    turned = [np.roll(x, 5, axis=1) for x in (k, v)]
    assert close(subject, subject(token, k, v, length, window), subject(token, *turned, length + 5, window), 8)
    # What is out of the window is not looked at.
    old = np.arange(length - SEQ, length - window) % SEQ
    seen = subject(token, k, v, length, window)
    k[:, old] = v[:, old] = 30
    assert close(subject, subject(token, k, v, length, window), seen, 1)


@pytest.mark.subjects("attention_decode", "attention_decode_ring", operation="kernel", backends=("numba",))
@given(seed=seeds, length=st.integers(1, 2 * SEQ))
@law
def test_caches_asked_for_ahead_give_the_same(subject, seed, length):
    """What large caches alone take, as no domain has: four heads to a key head, of whole vectors."""
    streams = importlib.import_module("impls.attention.streams")
    ring = subject.folder.name == "attention_decode_ring"
    q, k, v = (draw(subject, seed, 2, *shape) for shape in ((8, 64), (SEQ, 2, 64), (SEQ, 2, 64)))
    arguments = (q, k, v, length, SEQ - 5) if ring else (q, k, v, min(length, SEQ))
    expected = subject(*arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "ASKED_FROM", 0)
        np.testing.assert_array_equal(subject(*arguments), expected)


@pytest.mark.subjects("rope_interleaved", operation="kernel")
@given(seed=seeds, shift=st.integers(1, 50))
@law
def test_rope_keeps_norms_and_depends_on_the_distance_only(subject, seed, shift):
    # Two tokens as one text, at positions that are moved together.
    x = draw(subject, seed, 1, 2, 1, HEAD_DIM)

    def turned(*positions):
        tables = rope_tables(np.array(positions, np.int32), HEAD_DIM, 100.0)
        return subject(x, *(table.astype(DTYPES[subject.dtype]) for table in tables)).astype(float)[0, :, 0]

    here, there = turned(7, 3), turned(7 + shift, 3 + shift)
    norms = np.linalg.norm(x[0, :, 0].astype(float), axis=-1)
    assert close(subject, np.linalg.norm(here, axis=-1), norms, 8)
    tolerance = 16 * float(ml_dtypes.finfo(DTYPES[subject.dtype]).eps) * norms.prod()
    assert abs(here[0] @ here[1] - there[0] @ there[1]) <= tolerance


@pytest.mark.subjects("rope_tables", operation="kernel")
@given(seed=seeds)
@law
def test_angles_add_up(subject, seed):
    first, second = np.random.default_rng(seed).integers(0, 10**6, (2, 4), np.int32)
    turns = [
        np.asarray(cos, np.complex128) + 1j * np.asarray(sin)
        for cos, sin in (subject(positions, HEAD_DIM, 10000.0) for positions in (first, second, first + second))
    ]
    assert close(subject, np.abs(turns[0]), np.ones(turns[0].shape), 4)
    assert np.abs(turns[0] * turns[1] - turns[2]).max() <= 8 * np.finfo(np.float32).eps


@pytest.mark.subjects("attention_mask", operation="kernel")
@given(seed=seeds)
@law
def test_a_mask_hides_or_leaves(subject, seed):
    scores, positions = draw(subject, seed, 1, 2, 5, 9), np.arange(9, dtype=np.int32)
    masked = subject(scores, positions[4:].copy(), positions, 3)
    assert ((masked == scores) | np.isneginf(masked.astype(np.float32))).all()
    assert (np.isfinite(masked.astype(np.float32)).sum(axis=-1) == 3).all()


@pytest.mark.subjects("attention_mask", operation="kernel")
@given(seed=seeds, start=st.integers(0, 3), shift=st.integers(0, 39))
@law
def test_a_mask_goes_by_positions_and_not_by_places(subject, seed, start, shift):
    scores, positions = draw(subject, seed, 1, 2, 5, 40), np.arange(start, start + 40, dtype=np.int32)
    # As in a ring, whose oldest key may lie anywhere.
    order = np.roll(np.arange(40), shift)
    in_order = np.asarray(subject(scores, positions[35:].copy(), positions, 13))
    rolled = np.asarray(subject(scores[..., order].copy(), positions[35:].copy(), positions[order], 13))
    np.testing.assert_array_equal(rolled, in_order[..., order])
    assert (np.isfinite(in_order.astype(np.float32)).sum(axis=-1) == 13).all()


class WrongSubject(SimpleNamespace):
    """Stands in for a subject whose implementation breaks a law."""

    dtype = "f32"

    def __call__(self, *arguments):
        return self.function(*arguments)


def sees_all(q, k, v):
    return attended(q, k, v, np.ones((SEQ, SEQ), bool))


def across_batch(q, k, v):
    return attention_prefill(q, k, v + v.mean(axis=0))


def without_softmax(q, k, v):
    return attention_prefill(q, k, v) * np.float32(1.001)


def beyond_the_length(q, k, v, length):
    return attended_once(q, k[:, : length + 1], v[:, : length + 1])


def as_if_linear(q, k, v, length, window):
    return attended_once(q, k[:, :window], v[:, :window])


def by_place(scores, positions, key_positions, window):
    return attention_mask(scores, positions, key_positions[0] + np.arange(len(key_positions)), window)


def float32_angles(positions, head_dim, theta):
    angles = positions[:, None].astype(np.float32) * np.float32(theta) ** -np.arange(0, 1, 2 / head_dim, np.float32)
    return np.cos(angles), np.sin(angles)


@pytest.mark.parametrize(
    ("broken", "kernel", "function", "drawn"),
    [
        (test_a_later_token_changes_no_earlier_output, "attention_prefill", sees_all, {"seed": 0, "position": 9}),
        (test_a_text_of_a_batch_equals_the_text_alone, "attention_prefill", across_batch, {"seed": 0}),
        (test_equal_values_come_out_as_they_are, "attention_prefill", without_softmax, {"seed": 0}),
        (test_decode_is_the_last_row_of_prefill, "attention_decode", beyond_the_length, {"seed": 0, "length": 9}),
        (test_a_ring_may_begin_anywhere, "attention_decode_ring", as_if_linear, {"seed": 0, "length": 50, "window": 9}),
        (
            test_rope_keeps_norms_and_depends_on_the_distance_only,
            "rope_interleaved",
            lambda x, cos, sin: rope_interleaved(x, cos, sin * sin),
            {"seed": 0, "shift": 9},
        ),
        (test_angles_add_up, "rope_tables", float32_angles, {"seed": 0}),
        (
            test_a_mask_hides_or_leaves,
            "attention_mask",
            lambda scores, *others: np.maximum(scores, np.float32(-1e9)),
            {"seed": 0},
        ),
        (
            test_a_mask_goes_by_positions_and_not_by_places,
            "attention_mask",
            by_place,
            {"seed": 0, "start": 1, "shift": 3},
        ),
    ],
)
def test_a_law_can_fail(broken, kernel, function, drawn):
    folder = KERNELS[kernel]
    subject = WrongSubject(function=function, folder=folder, kernel=folder.operations["kernel"])
    with pytest.raises(AssertionError):
        broken.hypothesis.inner_test(subject=subject, **drawn)

"""Laws of products with weights that hold without an oracle, and blocks that must not show in a result."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from test_laws import WrongSubject, close, law, seeds

from impls.linear.reference import linear
from impls.lm_head_argmax.reference import lm_head_argmax
from impls.swiglu.reference import swiglu
from kernelgate.devices import fetch
from kernelgate.judging import judge
from kernelgate.kernel import DTYPES, discover

KERNELS = discover("impls")


def arguments_of(subject, seed):
    """Arguments of the largest dims in the domain: several rows, and sizes that no block divides."""
    dims = {name: values[-1] for name, values in subject.kernel.domain.items()}
    return subject.kernel.inputs(np.random.default_rng(seed), DTYPES[subject.dtype], **dims)


def in_order(weight, order, length):
    """The weight with its axis of that length in another order, if it has one."""
    axes = [axis for axis, size in enumerate(weight.shape) if size == length]
    return np.ascontiguousarray(np.take(weight, order, axes[0])) if axes else weight


@pytest.mark.subjects("linear", "lm_head", operation="kernel")
@given(seed=seeds)
@law
def test_outputs_follow_the_order_of_the_weights(subject, seed):
    x, weight = arguments_of(subject, seed)
    order = np.random.default_rng(seed).permutation(len(weight))
    assert close(subject, subject(x, in_order(weight, order, len(weight))), subject(x, weight)[:, order], 16)


@pytest.mark.subjects("linear", "lm_head", operation="kernel")
@given(seed=seeds)
@law
def test_a_power_of_two_goes_through_exactly(subject, seed):
    x, weight = arguments_of(subject, seed)
    assert (subject(np.asarray(4 * x, x.dtype), weight) == subject(x, weight) * np.asarray(4, x.dtype)).all()


@pytest.mark.subjects("swiglu", "gpt2_mlp", operation="kernel")
@given(seed=seeds)
@law
def test_hidden_columns_may_change_places(subject, seed):
    x, *weights = arguments_of(subject, seed)
    ffn_dim = len(weights[0])
    order = np.random.default_rng(seed).permutation(ffn_dim)
    moved = [in_order(weight, order, ffn_dim) for weight in weights]
    assert close(subject, subject(x, *weights), subject(x, *moved), 64 if subject.dtype == "f32" else 4)


@pytest.mark.subjects("lm_head_argmax", operation="kernel")
@given(seed=seeds)
@law
def test_a_row_of_the_table_finds_itself(subject, seed):
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((130, 65))
    table = (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(DTYPES[subject.dtype])
    ids = rng.integers(0, 130, 30)
    assert (subject(table[ids], table) == ids).all()
    assert subject(table[ids[:1]], table) == ids[0]


@pytest.mark.subjects("lm_head_all", operation="kernel")
@given(seed=seeds)
@law
def test_only_the_last_position_is_seen(subject, seed):
    hidden, weight = arguments_of(subject, seed)
    other = hidden.copy()
    other[:, :-1] = np.asarray(7, hidden.dtype)
    assert (subject(hidden, weight) == subject(other, weight)).all()


@pytest.mark.subjects(
    "linear",
    "qkv",
    "rmsnorm_qkv",
    "lm_head",
    "lm_head_argmax",
    "swiglu",
    "gpt2_mlp",
    operation="kernel",
    backends=("numba", "numba_bf16"),
)
def test_inputs_of_another_length_are_refused(subject):
    x, *weights = arguments_of(subject, 0)
    with pytest.raises(ValueError, match="expected"):
        subject(np.ascontiguousarray(x[:, :-1]), *weights)


BLOCKS = {
    "linear": {"block_rows": 8, "block_out": 128, "block_dim": 32},
    "rmsnorm_qkv": {"block_rows": 8, "block_out": 32},
    "swiglu": {"block_rows": 8, "block_ffn": 64},
    "gpt2_mlp": {"block_rows": 8, "block_ffn": 64},
}


@pytest.mark.subjects(*BLOCKS, operation="kernel", backends=("pallas",))
def test_many_blocks_that_do_not_divide_the_sizes_are_as_good_as_one(subject):
    pytest.importorskip("jax")
    from test_pallas import function_of, race_checked

    arguments = arguments_of(subject, 0)
    prepared = subject.prepared(subject.place(arguments))
    # This interpreter gives NaN for what is read beyond an array.
    result = race_checked(partial(function_of(subject), **BLOCKS[subject.folder.name]), prepared)
    judge(subject, fetch(result), arguments)


@pytest.mark.parametrize(
    ("broken", "kernel", "function"),
    [
        (
            test_outputs_follow_the_order_of_the_weights,
            "linear",
            lambda x, w: linear(x, w) + np.arange(len(w), dtype="f4"),
        ),
        (test_a_power_of_two_goes_through_exactly, "linear", lambda x, w: linear(x, w) + np.float32(1e-6)),
        (test_hidden_columns_may_change_places, "swiglu", lambda x, g, u, d: swiglu(x, g[:-1], u[:-1], d[:, :-1])),
        (test_a_row_of_the_table_finds_itself, "lm_head_argmax", lambda x, w: lm_head_argmax(x, w[:-16])),
        (test_only_the_last_position_is_seen, "lm_head_all", lambda x, w: linear(x.mean(axis=1), w)),
        (test_inputs_of_another_length_are_refused, "linear", lambda x, w: linear(x, w[:, : x.shape[-1]])),
    ],
)
def test_a_law_can_fail(broken, kernel, function):
    subject = WrongSubject(function=function, kernel=KERNELS[kernel].operations["kernel"])
    refused = (AssertionError, pytest.fail.Exception)
    with pytest.raises(refused):
        if hasattr(broken, "hypothesis"):
            broken.hypothesis.inner_test(subject=subject, seed=0)
        else:
            broken(subject)

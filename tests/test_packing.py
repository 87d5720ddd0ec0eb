"""Packed weights: what is packed is what was given, or as near as its format allows."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from matrices import groups, magnitudes, matrix, seeds, sizes

from impls.packed.packing import (
    pack_bf16,
    pack_f32,
    pack_int4,
    pack_int8,
    unpack_bf16,
    unpack_f32,
    unpack_int4,
    unpack_int8,
)


@given(seeds, sizes, sizes, magnitudes)
def test_packing_gives_back_what_it_was_given(seed, out, inputs, magnitude):
    weight = matrix(seed, out, inputs, magnitude)
    np.testing.assert_array_equal(unpack_f32(pack_f32(weight), out), weight)
    rounded = weight.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(unpack_bf16(pack_bf16(weight), out, inputs), rounded)
    np.testing.assert_array_equal(unpack_bf16(pack_bf16(weight.astype(ml_dtypes.bfloat16)), out, inputs), rounded)


@given(seeds, sizes, sizes, magnitudes, groups)
def test_integers_are_off_by_half_a_step_or_clipped(seed, out, inputs, magnitude, group):
    weight = matrix(seed, out, inputs, magnitude)
    padded = np.zeros((out, -(-inputs // group) * group), np.float32)
    padded[:, :inputs] = weight
    peaks = np.abs(padded).reshape(out, -1, group).max(-1)
    for pack, unpack, levels in ((pack_int8, unpack_int8, 127), (pack_int4, unpack_int4, 8)):
        off = np.zeros_like(padded)
        off[:, :inputs] = np.abs(unpack(pack(weight, group), out, inputs) - weight)
        # A step is the peak over the levels, but the other end of int4 may be clipped, from 8.6 steps to 7. The scale
        # is rounded to bf16, and so off by one part in 256.
        allowed = peaks * (0.5 / 127 if levels == 127 else 1 - 7 / 8.6) + peaks / 200
        assert (off.reshape(out, -1, group).max(-1) <= allowed).all()


def test_int4_is_nearer_than_with_the_one_scale_of_q4_0():
    weight = np.random.default_rng(0).standard_normal((64, 512)).astype(np.float32)
    grouped = weight.reshape(64, -1, 32)
    steps = np.take_along_axis(grouped, np.abs(grouped).argmax(-1)[..., None], -1) / -8
    theirs = (np.clip(np.rint(grouped / steps), -8, 7) * steps).reshape(weight.shape)
    ours = unpack_int4(pack_int4(weight), 64, 512)
    assert np.square(ours - weight).sum() < np.square(theirs - weight).sum()


def test_packed_arrays_begin_on_a_cache_line():
    weight = np.ones((17, 33), np.float32)
    arrays = (pack_f32(weight), pack_bf16(weight), *pack_int8(weight), *pack_int4(weight))
    assert [array.ctypes.data % 64 for array in arrays] == [0] * len(arrays)


@pytest.mark.parametrize("pack", [pack_f32, pack_bf16, pack_int8, pack_int4])
def test_what_is_no_weight_is_told(pack):
    with pytest.raises(ValueError, match=r"weight: has shape \(3,\), expected \(out, in\)"):
        pack(np.ones(3, np.float32))


@pytest.mark.parametrize("pack", [pack_int8, pack_int4])
@pytest.mark.parametrize("group", [0, 16, 48])
def test_a_group_that_no_vector_divides_is_told(pack, group):
    with pytest.raises(ValueError, match=f"group: is {group}, expected a multiple of 32"):
        pack(np.ones((3, 64), np.float32), group)

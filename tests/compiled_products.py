"""What `test_packed_products` computes with: apart from it, since collecting the tests must not import Numba."""

import numpy as np
import pytest
from numba import njit

from impls.packed import products as plain
from impls.packed import quantised_products as quantised
from impls.packed.activations import PANEL, filled_up, panels_bf16, panels_f32, panels_int8, panels_of
from impls.packed.packing import INT4_ZERO, INT8_ZERO, TILE, pack_int4, pack_int8, unpack_int4, unpack_int8
from impls.simd.features import missing

ROW_PRODUCTS = {
    "f32": plain.row_product_f32,
    "bf16": plain.row_product_bf16,
    "int8": quantised.row_product_int8,
    "int4": quantised.row_product_int4,
}
PRODUCTS = {
    "f32": plain.product_f32,
    "bf16": plain.product_bf16,
    "int8": quantised.product_int8,
    "int4": quantised.product_int4,
}
# How to pack, how to unpack, and what is added to the integers.
INTEGERS = {"int8": (pack_int8, unpack_int8, INT8_ZERO), "int4": (pack_int4, unpack_int4, INT4_ZERO)}


def check(found, x, weight, eps):
    """Each element within `eps` of the float64 product, in terms of the magnitudes that were added up."""
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    assert np.isfinite(found).all()
    assert (np.abs(found - x @ weight.T) <= eps * (np.abs(x) @ np.abs(weight).T) + 1e-37).all()


def blank(rows, out):
    """A result whose every element must be written."""
    return np.full((rows, out), np.nan, np.float32)


def in_two(product, tiles, split, *arguments):
    """As two threads would have it: the tiles up to `split`, and the rest."""
    split %= tiles + 1
    product(*arguments[:-1], split, tiles, arguments[-1])
    product(*arguments[:-1], 0, split, arguments[-1])


def panels(x, kind):
    fill, steps, tail, element = {
        "f32": (panels_f32, 1, (PANEL,), np.float32),
        "bf16": (panels_bf16, 2, (PANEL, 2), np.uint16),
    }[kind]
    made = np.full((panels_of(len(x)), filled_up(x.shape[1]) // steps, *tail), 0x7FC0, element)
    fill(x, 1, len(made), made)
    fill(x, 0, 1, made)
    return made


def quantised_panels(x, packed, zero, height):
    """Of groups as `packed` has them; with a height of 1, of the first row alone."""
    count = packed.scales.shape[1]
    inputs = packed.integers[0].size // TILE * (2 if zero == INT4_ZERO else 1)
    made = panels_of(len(x)) if height == PANEL else 1
    integers = np.full((made, inputs // 4, height, 4), 99, np.int8)
    scales, offsets = np.full((made, count, height), np.nan, np.float32), np.full((made, count, height), 7, np.int32)
    panels_int8(x, zero, 0, made, integers, scales, offsets)
    return integers, scales, offsets


def meant(integers, scales, rows, inputs):
    """The activations that the integers of panels stand for."""
    made, count, height = scales.shape
    steps = np.repeat(scales, integers.shape[1] // count, axis=1)[..., None]
    return (integers * steps).transpose(0, 2, 1, 3).reshape(made * height, -1)[:rows, :inputs]


def listing(product, kinds, features):
    """The assembly of `product`, compiled for arrays of these types; the test is skipped without the features."""
    if absent := missing(features):
        pytest.skip(f"the processor has no {', '.join(absent)}")
    compiled = njit(f"void({kinds})")(product.py_func)
    return compiled.inspect_asm(compiled.signatures[0])

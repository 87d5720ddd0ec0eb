"""Products of packed weights: each is what float64 makes of the weights as they were packed."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matrices import groups, magnitudes, matrix, seeds, sizes

from impls.packed.packing import pack_bf16, pack_f32, unpack_bf16
from impls.simd.features import BF16_DOT, INT8_DOT, missing
from kernelgate.devices import installed
from kernelgate.structure.numba_assembly import hot_loop

ROOT = Path(__file__).parent.parent
QUANTISED = "int8[:, :, :, ::1], float32[:, :, ::1], int32[:, :, ::1], uint8[:, :, :, :, ::1], uint16[:, :, ::1]"
pytestmark = pytest.mark.skipif(not installed("numba"), reason="needs numba")


@pytest.fixture(scope="module")
def compiled():
    """What needs Numba, which collecting must not import."""
    return importlib.import_module("compiled_products")


@given(seeds, st.integers(1, 20), sizes, sizes, magnitudes, st.integers(0, 9))
def test_f32_products(compiled, seed, rows, out, inputs, magnitude, split):
    x, weight = matrix(seed, rows, inputs, magnitude), matrix(seed + 1, out, inputs)
    packed = pack_f32(weight)
    row, result = compiled.blank(1, out), compiled.blank(rows, out)
    compiled.in_two(compiled.ROW_PRODUCTS["f32"], len(packed), split, x[0], packed, row[0])
    compiled.in_two(compiled.PRODUCTS["f32"], len(packed), split, compiled.panels(x, "f32"), packed, result)
    compiled.check(row, x[:1], weight, 1e-6)
    compiled.check(result, x, weight, 1e-6)


@given(seeds, st.integers(1, 20), sizes, sizes, magnitudes, st.integers(0, 9))
def test_bf16_products(compiled, seed, rows, out, inputs, magnitude, split):
    x, weight = matrix(seed, rows, inputs, magnitude), matrix(seed + 1, out, inputs)
    packed = pack_bf16(weight)
    weight = unpack_bf16(packed, out, inputs)
    row, result = compiled.blank(1, out), compiled.blank(rows, out)
    compiled.in_two(compiled.ROW_PRODUCTS["bf16"], len(packed), split, x[0], packed, row[0])
    compiled.in_two(compiled.PRODUCTS["bf16"], len(packed), split, compiled.panels(x, "bf16"), packed, result)
    compiled.check(row, x[:1], weight, 1e-6)
    compiled.check(result, x.astype(ml_dtypes.bfloat16), weight, 1e-6)


@pytest.mark.parametrize("kind", ["int8", "int4"])
@given(seeds, st.integers(1, 20), sizes, sizes, magnitudes, groups, st.integers(0, 9))
def test_integer_products(compiled, kind, seed, rows, out, inputs, magnitude, group, split):
    pack, unpack, zero = compiled.INTEGERS[kind]
    x, weight = matrix(seed, rows, inputs, magnitude), matrix(seed + 1, out, inputs)
    packed = pack(weight, group)
    weight = unpack(packed, out, inputs)
    for height, products, count in ((1, compiled.ROW_PRODUCTS, 1), (compiled.PANEL, compiled.PRODUCTS, rows)):
        result = compiled.blank(count, out)
        activations = compiled.quantised_panels(x, packed, zero, height)
        arguments = (*activations, *packed, result[0] if height == 1 else result)
        compiled.in_two(products[kind], len(packed.scales), split, *arguments)
        stood_for = compiled.meant(*activations[:2], count, inputs)
        compiled.check(result, stood_for, weight, 2e-6)
        peaks = np.abs(x[:count]).max(1, keepdims=True)
        assert (np.abs(stood_for - x[:count]) <= peaks / 127 * 0.501).all()


@given(seeds, st.integers(1, 20), st.integers(1, 50), magnitudes)
def test_rows_past_the_last_and_inputs_past_the_end_are_zero(compiled, seed, rows, inputs, magnitude):
    x = matrix(seed, rows, inputs, magnitude)
    wide = np.zeros((compiled.panels_of(rows) * compiled.PANEL, compiled.filled_up(inputs)), np.float32)
    wide[:rows, :inputs] = x
    np.testing.assert_array_equal(compiled.panels(x, "f32").transpose(0, 2, 1).reshape(wide.shape), wide)
    found = np.ascontiguousarray(compiled.panels(x, "bf16").transpose(0, 2, 1, 3)).view(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(found.reshape(wide.shape), wide.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@given(seeds, st.integers(1, 20), st.sampled_from([5, 64, 288, 300]), st.data())
def test_what_is_not_finite_spoils_its_row_and_no_other(compiled, kind, value, seed, rows, inputs, data):
    pack, _, zero = compiled.INTEGERS[kind]
    x, packed = matrix(seed, rows, inputs), pack(matrix(seed + 1, 20, inputs))
    row = data.draw(st.integers(0, rows - 1))
    x[row, data.draw(st.integers(0, inputs - 1))] = value
    result, first = compiled.blank(rows, 20), compiled.blank(1, 20)
    compiled.PRODUCTS[kind](*compiled.quantised_panels(x, packed, zero, compiled.PANEL), *packed, 0, 2, result)
    compiled.ROW_PRODUCTS[kind](*compiled.quantised_panels(x, packed, zero, 1), *packed, 0, 2, first[0])
    assert (np.isnan(result).all(1) == (np.arange(rows) == row)).all()
    assert np.isnan(first).all() == (row == 0)


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_activations_of_zero_or_next_to_it_give_zero(compiled, kind):
    pack, _, zero = compiled.INTEGERS[kind]
    packed = pack(np.ones((16, 32), np.float32))
    for value in (0.0, 1e-40):
        row = compiled.blank(1, 16)
        x = np.full((1, 32), value, np.float32)
        compiled.ROW_PRODUCTS[kind](*compiled.quantised_panels(x, packed, zero, 1), *packed, 0, 1, row[0])
        assert (np.abs(row) <= 1e-35).all()


@pytest.mark.parametrize(
    ("kind", "kinds", "features", "instruction"),
    [
        ("f32", "float32[:, :, ::1], float32[:, :, ::1]", ("avx512f",), "vfmadd"),
        ("bf16", "uint16[:, :, :, ::1], uint16[:, :, :, ::1]", BF16_DOT, "vdpbf16ps"),
        ("int8", QUANTISED, INT8_DOT, "vpdpbusd"),
        ("int4", QUANTISED, INT8_DOT, "vpdpbusd"),
    ],
)
def test_panels_are_multiplied_by_the_instruction(compiled, kind, kinds, features, instruction):
    """It stands there for each row of a panel, and spreads what it reads of the activations over its lanes."""
    text = compiled.listing(compiled.PRODUCTS[kind], f"{kinds}, int64, int64, float32[:, ::1]", features)
    found = [line for line in text.splitlines() if instruction in line and "%zmm" in line and "{1to16}" in line]
    assert len(found) >= compiled.PANEL


@pytest.mark.parametrize(("kind", "weights"), [("f32", "float32[:, :, ::1]"), ("bf16", "uint16[:, :, :, ::1]")])
def test_a_row_is_multiplied_by_whole_vectors(compiled, kind, weights):
    kinds = f"float32[::1], {weights}, int64, int64, float32[::1]"
    hot = hot_loop(compiled.listing(compiled.ROW_PRODUCTS[kind], kinds, ("avx512f",)))
    assert (hot.width, hot.double) == (512, 0)
    assert hot.packed_fma >= 4


def test_the_products_are_the_same_on_a_processor_without_the_instructions(tmp_path):
    """The tests above, by the portable twins: on a processor with AVX2 and no AVX-512."""
    if missing(("avx2",)):
        pytest.skip("the processor is no x86 with AVX2")
    names = "f32_products or bf16_products or integer_products"
    command = [sys.executable, "-m", "pytest", __file__, "-q", "-k", names, "-p", "no:cacheprovider"]
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "x86-64-v3",
        "NUMBA_CPU_FEATURES": "+avx2,+fma",
        "KERNELGATE_NUMBA_CACHE": str(tmp_path),
    }
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout
    assert "4 passed" in run.stdout

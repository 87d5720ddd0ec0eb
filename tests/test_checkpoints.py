"""Checkpoint readers: what was written comes back, in half-split order; and nothing is rounded."""

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from checkpoint_writers import (
    CONFIGS,
    GROUPED,
    MULTI,
    assert_same,
    draw,
    interleaved,
    write_bin,
    write_directory,
    write_npz,
)
from hypothesis import given
from hypothesis import strategies as st

from impls.checkpoints import read
from impls.checkpoints.parameters import half_split

Q1 = "model.layers.1.self_attn.q_proj.weight"
NORM = "model.norm.weight"
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


# What comes back


@every_config
def test_npz_comes_back(tmp_path, config):
    params, found = read(write_npz(tmp_path / "model.npz", draw(config), config), config)
    assert found == config
    assert_same(params, draw(config))


@every_config
@pytest.mark.parametrize("version", [0, 1], ids=["legacy", "version 1"])
def test_bin_comes_back(tmp_path, config, version):
    params, found = read(write_bin(tmp_path / "model.bin", draw(config), config, version))
    assert found == config
    assert_same(params, draw(config))


@every_config
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float64])
def test_directory_comes_back(tmp_path, config, shards, dtype):
    params, found = read(write_directory(tmp_path / "model", draw(config, dtype), config, shards))
    assert found == config
    assert_same(params, draw(config, dtype))


def test_head_dim_need_not_be_dim_over_heads(tmp_path):
    config = replace(GROUPED, head_dim=6)
    params, found = read(write_directory(tmp_path / "model", draw(config), config))
    assert found == config
    assert_same(params, draw(config))


@pytest.mark.parametrize("stored", ["float16", "bfloat16", ">f4", "<f8"])
def test_dtypes_of_npz(tmp_path, stored):
    """NumPy writes bfloat16 as two anonymous bytes; float16 is widened, which rounds nothing."""
    dtype = np.dtype(ml_dtypes.bfloat16 if stored == "bfloat16" else stored)
    written = {name: tensor.astype(dtype) for name, tensor in draw(GROUPED).items()}
    params, _ = read(write_npz(tmp_path / "model.npz", written, GROUPED), GROUPED)
    expected = np.dtype(np.float32) if stored == "float16" else dtype.newbyteorder("=")
    assert_same(params, {name: tensor.astype(expected) for name, tensor in written.items()})


def test_mixed_dtypes_become_the_widest(tmp_path):
    written = draw(GROUPED, ml_dtypes.bfloat16) | {NORM: draw(GROUPED)[NORM]}
    params, _ = read(write_directory(tmp_path / "model", written, GROUPED))
    assert_same(params, {name: tensor.astype(np.float32) for name, tensor in written.items()})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_layouts_of_npz(tmp_path, save, layout):
    stored = interleaved(draw(GROUPED), GROUPED)
    save(tmp_path / "model.npz", **{name: layout(tensor) for name, tensor in stored.items()})
    assert_same(read(tmp_path / "model.npz", GROUPED)[0], draw(GROUPED))


def test_values_that_are_not_finite_are_read(tmp_path):
    written = draw(MULTI) | {NORM: np.array([np.nan, np.inf, -np.inf, 0.0] * 4, np.float32)}
    assert_same(read(write_bin(tmp_path / "model.bin", written, MULTI))[0], written)


# The order of the rows


@given(heads=st.integers(1, 3), half=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_half_split_turns_as_interleaved_does(heads, half, seed):
    """Neighbours as complex numbers, turned, equal the halves of the reordered rows, turned by sines and cosines."""
    rng = np.random.default_rng(seed)
    weight, x = rng.standard_normal((heads * 2 * half, 7)), rng.standard_normal(7)
    angle = rng.uniform(-10, 10, half)
    pairs = (weight @ x).reshape(heads, half, 2)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angle)
    split = (half_split(weight, 2 * half) @ x).reshape(heads, 2 * half)
    first, second = split[:, :half], split[:, half:]
    np.testing.assert_allclose(first * np.cos(angle) - second * np.sin(angle), turned.real, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(second * np.cos(angle) + first * np.sin(angle), turned.imag, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("format", ["npz", "bin", "directory"])
def test_order_can_be_given(tmp_path, format):
    write = {"npz": write_npz, "bin": write_bin, "directory": write_directory}[format]
    path = write(tmp_path / f"model.{format}", draw(GROUPED), GROUPED)
    usual = "half_split" if format == "directory" else "interleaved"
    other = {"half_split": "interleaved", "interleaved": "half_split"}[usual]
    assert_same(read(path, GROUPED, usual)[0], draw(GROUPED))
    swapped = read(path, GROUPED, other)[0]
    assert not np.array_equal(swapped[Q1], draw(GROUPED)[Q1])
    if other == "half_split":
        assert_same(swapped, interleaved(draw(GROUPED), GROUPED))
    with pytest.raises(ValueError, match=r"^rope is 'neox', expected one of interleaved, half_split"):
        read(path, GROUPED, "neox")

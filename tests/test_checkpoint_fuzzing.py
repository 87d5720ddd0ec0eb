"""Any damage to a checkpoint's bytes gives what the bytes say, or a CheckpointError; never another exception."""

import io
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from checkpoint_writers import (
    GROUPED,
    assert_same,
    bin_content,
    config_keys,
    draw,
    interleaved,
    write_directory,
    write_members,
)
from hypothesis import given
from hypothesis import strategies as st

from impls.checkpoints import CheckpointError, read

CONFIG = replace(GROUPED, layers=1, vocab_size=5)
NORM = "model.norm.weight"
# Places near the ends as often as anywhere: there are the headers.
PLACES = st.integers(0, 300) | st.integers(-300, -1) | st.integers(0, 2**32)
DAMAGES = st.lists(
    st.tuples(st.just("flip"), PLACES, st.integers(0, 7))
    | st.tuples(st.just("byte"), PLACES, st.integers(0, 255))
    | st.tuples(st.sampled_from(["cut", "drop", "twice"]), PLACES, st.integers(1, 9)),
    min_size=1,
    max_size=3,
)


def damaged(content, damages):
    data = bytearray(content)
    for kind, place, amount in damages:
        at = place % len(data) if data else 0
        if kind == "flip" and data:
            data[at] ^= 1 << amount
        elif kind == "byte" and data:
            data[at] = amount
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + amount]
        elif kind == "twice":
            data[at:at] = data[at : at + amount]
    return bytes(data)


def attempt(path, config=None):
    """What is read, checked for its names and shapes; None if it was refused with a message that names a file."""
    try:
        params, found = read(path, config)
    except CheckpointError as error:
        assert str(path.parent if path.suffix else path) in str(error)
        return None
    assert {name: tensor.shape for name, tensor in params.items()} == found.parameter_shapes()
    return params, found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzing")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@given(damages=DAMAGES)
def test_npz(folder, save, damages):
    """A zip has checksums: what is read is what was written."""
    path = folder / "model.npz"
    save(path, **interleaved(draw(CONFIG), CONFIG))
    path.write_bytes(damaged(path.read_bytes(), damages))
    if result := attempt(path, CONFIG):
        assert_same(result[0], draw(CONFIG))


@given(damages=DAMAGES)
def test_member_of_npz(folder, damages):
    """Behind a right checksum the array is what NumPy finds in the same bytes."""
    members = {}
    for name, tensor in interleaved(draw(CONFIG), CONFIG).items():
        np.save(stream := io.BytesIO(), tensor)
        members[f"{name}.npy"] = stream.getvalue()
    members[f"{NORM}.npy"] = damaged(members[f"{NORM}.npy"], damages)
    path = write_members(folder / "member.npz", members)
    # NumPy warns of headers that only Python 2 or an old NumPy could have meant.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if result := attempt(path, CONFIG):
            expected = np.load(io.BytesIO(members[f"{NORM}.npy"]), allow_pickle=False)
            np.testing.assert_array_equal(result[0][NORM].view(np.uint32), expected.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("version", [0, 1])
@given(damages=DAMAGES)
def test_bin(folder, version, damages):
    """No checksums here: written anew, what is read gives the same bytes, but for those that carry nothing."""
    content = damaged(bin_content(draw(CONFIG), CONFIG, version), damages)
    path = folder / "model.bin"
    path.write_bytes(content)
    if result := attempt(path):
        params, config = result
        again = bin_content(params, config, 1 if content.startswith(b"24ka") else 0)
        assert len(again) == len(content)
        used = np.ones(len(content), bool)
        if content.startswith(b"24ka"):
            used[37:256] = False
        else:
            end = len(content) - (0 if config.tied else 4 * config.vocab_size * config.dim)
            used[end - 4 * config.context * config.head_dim : end] = False
        np.testing.assert_array_equal(np.frombuffer(again, np.uint8)[used], np.frombuffer(content, np.uint8)[used])


@pytest.mark.parametrize("shards", [1, 2])
@given(damages=DAMAGES)
def test_safetensors(folder, shards, damages):
    """No checksums: behind an undamaged header the tensors may differ where the bytes do, and nowhere else."""
    path = write_directory(folder / f"in{shards}", draw(CONFIG), CONFIG, shards)
    file = min(path.glob("*.safetensors"))
    whole = file.read_bytes()
    content = damaged(whole, damages)
    file.write_bytes(content)
    if result := attempt(path):
        start = 8 + int.from_bytes(whole[:8], "little")
        before, after = (np.frombuffer(data[start:], np.uint8) for data in (whole, content))
        changed = [
            np.sum(result[0][name].view(np.uint8) != tensor.view(np.uint8)) for name, tensor in draw(CONFIG).items()
        ]
        assert sum(changed) == np.sum(before != after)


@given(damages=DAMAGES)
def test_index(folder, damages):
    path = write_directory(folder / "index", draw(CONFIG), CONFIG, 2)
    index = path / "model.safetensors.index.json"
    index.write_bytes(damaged(index.read_bytes(), damages))
    if result := attempt(path):
        assert_same(result[0], draw(CONFIG))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["rope_type", "factor"]), inner),
    max_leaves=4,
)
KEYS = [*config_keys(CONFIG), "rope_parameters", "partial_rotary_factor", "quantization_config"]


@given(damages=DAMAGES, keys=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3))
def test_config_json(folder, damages, keys):
    path = write_directory(folder / "config", draw(CONFIG), CONFIG)
    file = path / "config.json"
    for content in damaged(file.read_bytes(), damages), json.dumps(config_keys(CONFIG) | keys).encode():
        file.write_bytes(content)
        attempt(path)

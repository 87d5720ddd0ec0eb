"""Damaged containers, .npz and .safetensors: each fault is one CheckpointError that names file and tensor."""

import json
import re
import struct
import zipfile

import pytest
from checkpoint_writers import MULTI, draw, interleaved, write_directory, write_members, write_npz

from impls.checkpoints import CheckpointError, read

NORM = "model.norm.weight"
K1 = "model.layers.1.self_attn.k_proj.weight"
WHOLE = "model.safetensors"


def npy(header=None, version=b"\1\0", data=bytes(12)):
    header = (header or "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }").encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + data


MEMBERS = {
    "no npy": b"hello",
    "empty": b"",
    "short": npy(data=bytes(11)),
    "long": npy(data=bytes(13)),
    "huge": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000,), }"),
    "negative": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }"),
    "negatives": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, -1), }"),
    "nested": npy("(" * 5000),
    "signs": npy("-" * 9000 + "1"),
    "sum": npy("1+" * 4900 + "1"),
    "indented": npy("\n\t x\n y"),
    "unhashable": npy("{[]: 1}"),
    "no header": npy(" "),
    "no descr": npy("{'descr': (), 'fortran_order': False, 'shape': (3,), }"),
    "odd descr": npy("{'descr': 'q7', 'fortran_order': False, 'shape': (3,), }"),
    "object": npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }"),
}


@pytest.mark.parametrize("fault", MEMBERS)
def test_fault_in_a_member_of_npz(tmp_path, fault):
    path = write_members(tmp_path / "model.npz", {f"{NORM}.npy": MEMBERS[fault]})
    with pytest.raises(CheckpointError, match=rf"model\.npz: tensor {NORM} is no \.npy: "):
        read(path, MULTI)


def test_fault_in_npz(tmp_path):
    path = write_npz(tmp_path / "model.npz", draw(MULTI), MULTI)
    content = path.read_bytes()
    weights = interleaved(draw(MULTI), MULTI)[K1].tobytes()
    for damaged, words in {
        b"": "not a .npz, or cut off",
        b"hello": "not a .npz, or cut off",
        content[:-1]: "not a .npz, or cut off",
        content[: len(content) // 2]: "not a .npz, or cut off",
        content.replace(weights, weights[::-1]): f"tensor {K1} is unreadable: BadZipFile..Bad CRC-32",
    }.items():
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=rf"model\.npz: {words}"):
            read(path, MULTI)
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{NORM}.npy", npy())
    with pytest.raises(CheckpointError, match=rf"model\.npz: tensor {NORM} is there twice"):
        read(path, MULTI)


@pytest.mark.parametrize("fault", ["encrypted", "too long", "lzma", "version"])
def test_fault_in_the_list_of_npz(tmp_path, fault):
    method = zipfile.ZIP_LZMA if fault == "lzma" else zipfile.ZIP_STORED
    member = npy(version=b"\7\0") if fault == "version" else npy()
    path = write_members(tmp_path / "model.npz", {f"{NORM}.npy": member}, method)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    if fault == "encrypted":
        struct.pack_into("<H", content, entry + 8, 1)
    if fault == "too long":
        struct.pack_into("<II", content, entry + 20, 5000, 5000)
    path.write_bytes(content)
    words = {"encrypted": "unreadable: RuntimeError.*encrypted", "too long": "unreadable: EOFError"}
    words |= {"lzma": "compressed by method 14", "version": r"no \.npy: ValueError.*version \(7, 0\)"}
    with pytest.raises(CheckpointError, match=rf"model\.npz: tensor {NORM} is {words[fault]}"):
        read(path, MULTI)


def fp8_content():
    header = json.dumps({NORM: {"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(16)


def test_fault_in_safetensors(tmp_path):
    path = write_directory(tmp_path / "model", draw(MULTI), MULTI)
    content = (path / WHOLE).read_bytes()
    for damaged, words in {
        b"": "the header is damaged or cut off",
        content[:100]: "the header is damaged or cut off",
        content[:-1]: r"tensor \S+ ends at byte \d+, but the file has \d+: cut off",
        content[: len(content) // 2]: r"tensor \S+ ends at byte \d+, but the file has \d+: cut off",
        content + b"\0": "damaged",
        b"\xff" * 100: "the header is damaged or cut off",
        content.replace(b'"F32"', b'"Q32"'): "damaged",
        fp8_content(): rf"tensor {NORM} has dtype F8_E4M3, expected one of F16, F32, BF16, F64",
    }.items():
        (path / WHOLE).write_bytes(damaged)
        with pytest.raises(CheckpointError, match=rf"model\.safetensors: {words}"):
            read(path)
    (path / WHOLE).unlink()
    (path / WHOLE).mkdir()
    with pytest.raises(CheckpointError, match=r"model: neither model\.safetensors nor"):
        read(path)


def test_fault_in_shards(tmp_path):
    path = write_directory(tmp_path / "model", draw(MULTI), MULTI, 3)
    index = path / "model.safetensors.index.json"
    weight_map = json.loads(index.read_text())["weight_map"]
    second = weight_map[K1]
    elsewhere = next(file for file in weight_map.values() if file != second)
    (tmp_path / "x.safetensors").write_bytes((path / second).read_bytes())
    for damaged, words in {
        "{": r"index\.json: not readable as JSON",
        "[]": r"index\.json: expected a JSON object, not list",
        "{}": r"index\.json: weight_map is NoneType",
        json.dumps(
            {"weight_map": weight_map | {K1: "../x.safetensors"}}
        ): rf"\.\./x.safetensors is no file here, expected by .* tensor {K1}",
        json.dumps({"weight_map": weight_map | {K1: "x" * 5000}}): "is no file here",
        json.dumps({"weight_map": weight_map | {K1: 3}}): rf"tensor {K1} is in 3",
        json.dumps({"weight_map": weight_map | {K1: "absent.safetensors"}}): rf"absent.safetensors is no file .* {K1}",
        json.dumps({"weight_map": weight_map | {K1: elsewhere}}): rf"{K1} is (missing|not listed)",
        json.dumps(
            {"weight_map": {key: weight_map[key] for key in weight_map if key != K1}}
        ): rf"{second}: tensor {K1} is not listed",
    }.items():
        index.write_text(damaged)
        with pytest.raises(CheckpointError, match=words):
            read(path)
    index.write_text(json.dumps({"weight_map": weight_map}))
    (path / second).unlink()
    with pytest.raises(
        CheckpointError, match=rf"model: {re.escape(second)} is no file here, expected by .* for tensor"
    ):
        read(path)

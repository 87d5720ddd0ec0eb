"""The side-by-side program as it is run, on a model of a few thousand weights."""

import json

import pytest

from kernelgate.__main__ import main


def test_rows_stand_beside_llamacpp_on_the_same_weights(tmp_path, capfd):
    path = tmp_path / "peers.json"
    arguments = ["--models", "tiny grouped", "--formats", "int8", "--operations", "decode-b2,prefill-5"]
    assert main(["peers", *arguments, "--rows", "numba", "--seconds", "0.01", "--json", str(path)]) == 0
    groups = json.loads(path.read_text())["groups"]
    assert [group["operation"] for group in groups] == ["decode-b2", "prefill-5"]
    for group in groups:
        library = group["rows"]["llamacpp_int8_gguf"]
        assert library["llamacpp"] == 1.0
        assert 0 < library["error"] < 0.1
        assert library["tokens_per_second"] == pytest.approx(
            {"decode-b2": 2, "prefill-5": 5}[group["operation"]] / library["seconds"]
        )
        for row, figures in group["rows"].items():
            assert "problem" not in figures, (row, figures)
    assert groups[0]["rows"]["llamacpp_int8_gguf"]["of_bandwidth"] > 0
    printed = capfd.readouterr()
    assert "tiny grouped decode-b2 int8, reading at" in printed.out
    assert "loading llamacpp_int8_gguf" in printed.err

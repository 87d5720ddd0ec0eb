"""What `python -m kernelgate profile` writes and prints, and what it says of what it cannot do."""

import copy
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from picture_documents import NEEDS_LIBRARIES, Parsed, check_figures
from profiled_models import PACKAGE, check_trace, importable, profiled, spans_of

from kernelgate.__main__ import main
from kernelgate.profile import chrome, document
from kernelgate.profile.spans import Operation, Recording, Share

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with importable(tmp_path_factory.mktemp("toys")) as folder:
        yield folder


@pytest.fixture(scope="module")
def found(folder):
    return profiled("reference")


SUMMED = Recording(
    spans_of((0, 1000, 9000), (1, 1500, 4000)),
    [
        Share(1, ("layers",), 3000),
        Share(1, ("layers", "attention"), 1000, 6),
        Share(1, ("layers", "mlp"), 2000, 6),
        Share(1, ("head",), 900),
    ],
)


def test_the_trace_is_what_perfetto_reads(found):
    trace = json.loads(json.dumps(chrome.trace(found.recording, "toy")))
    check_trace(trace)
    complete = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(complete) == len(found.recording.spans)
    assert complete[0]["name"] == "generate" and complete[0]["ts"] == 0
    assert complete[0]["dur"] * 1000 == pytest.approx(found.tree.duration)


def test_sums_lie_end_to_end_in_the_trace():
    trace = chrome.trace(SUMMED, "toy")
    check_trace(trace)
    laid = {event["name"]: (event["ts"], event["dur"]) for event in trace["traceEvents"] if event["args"].get("summed")}
    assert laid == {"layers": (0.5, 3.0), "attention": (0.5, 1.0), "mlp": (1.5, 2.0), "head": (3.5, 0.9)}


def test_operations_that_overlap_have_tracks_of_their_own():
    stretches = {"a": (100, 50), "in a": (110, 20), "over a": (120, 60), "after a": (150, 10), "elsewhere": (100, 70)}
    operations = [
        Operation(name, (), "two" if name == "elsewhere" else "one", start, length)
        for name, (start, length) in stretches.items()
    ]
    trace = chrome.trace(Recording(spans_of((0, 0, 200)), operations=operations), "toy")
    check_trace(trace)
    tracks = {event["name"]: event["tid"] for event in trace["traceEvents"] if event["ph"] == "X"}
    assert tracks["a"] == tracks["in a"] == tracks["after a"]
    assert len(set(tracks.values())) == 4
    lanes = [event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"]
    assert sorted(lanes) == ["one", "one", "parts", "two"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda events: events.clear(),
        lambda events: events[-1].update(ts=-1.0),
        lambda events: events[-1].update(dur=math.inf),
        lambda events: events[-1].update(ph="B"),
        lambda events: events[-1].update(tid=9),
        lambda events: events[-1].update(ts=8.9),
        lambda events: events[-1].pop("dur"),
        lambda events: events.pop(0),
    ],
    ids=[
        "nothing",
        "before the start",
        "endless",
        "unknown",
        "on no thread",
        "not nested",
        "no duration",
        "no process",
    ],
)
def test_the_check_of_traces_can_fail(spoil):
    trace = copy.deepcopy(chrome.trace(SUMMED, "toy"))
    spoil(trace["traceEvents"])
    with pytest.raises((AssertionError, KeyError)):
        check_trace(trace)


def test_the_document(found, tmp_path):
    document.write(tmp_path / "profile.json", found)
    read = json.loads((tmp_path / "profile.json").read_text())
    assert list(tmp_path.iterdir()) == [tmp_path / "profile.json"]
    asked = {
        "schema": 1,
        "implementation": "toy-reference",
        "model": "small",
        "dtype": "f32",
        "device": "cpu",
        "batch_size": 3,
        "count": 5,
    }
    assert read.items() >= asked.items()
    assert read["tokens"] == found.tokens.tolist() and read["peak_memory_bytes"] >= 0
    assert read["prefill_tokens_per_second"] == pytest.approx(9 / read["prefill_s"])
    assert read["decode_tokens_per_second"] == pytest.approx(12 / read["decode_s"])

    def check(part):
        assert 0 <= part["share"] <= 1 and part["total_s"] == pytest.approx(part["share"] * read["tree"]["total_s"])
        if part["children"]:
            assert sum(child["share"] for child in part["children"]) == pytest.approx(part["share"])
        for child in part["children"]:
            check(child)

    assert read["tree"]["share"] == 1
    check(read["tree"])


@NEEDS_LIBRARIES
def test_the_picture(found):
    from kernelgate.profile import picture

    figures = {"tree": picture.flame(found.tree), "steps": picture.steps(found)}
    check_figures(figures)
    (drawn,) = figures["tree"]["data"]
    for number, name in enumerate(drawn["ids"]):
        within = [value for parent, value in zip(drawn["parents"], drawn["values"], strict=True) if parent == name]
        assert not within or sum(within) == drawn["values"][number]
    assert len(set(drawn["ids"])) == len(drawn["ids"]) == sum(1 for _ in found.tree.walk())
    assert len(figures["steps"]["data"][0]["y"]) == 4
    assert "toy-reference" in "".join(Parsed(picture.page(found)).text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["toy-nothing", "a"], "toy-nothing: unknown, expected one of toy-reference, "),
        (["rope-reference", "a"], "rope-reference: unknown"),
        (["toy-reference", "a", "--package", "no_such_package"], "--package no_such_package: there is no such package"),
        (["toy-reference", "a", "--package", "no_such.package"], "--package no_such.package: there is no such package"),
        (["toy-reference", "a", "--package", "../impls"], "--package ../impls: there is no such package"),
        (["toy-reference", "a", "--package", "kernelgate.kernel"], "--package kernelgate.kernel is a module"),
        (["toy-reference", "a", "--package", "kernelgate"], "--package kernelgate holds no models"),
        (["toy-reference", "a", "--model", "huge"], "--model huge: unknown to toy, expected one of small, large"),
        (["toy-reference", "a", "--dtype", "int8"], "--dtype int8: unknown to toy-reference, expected one of f32"),
        (["toy-reference", "a", "--device", "gpu"], "--device gpu: only"),
        (["toy-reference", "a", "--device", "abacus"], "--device abacus: unknown"),
        (["toy-reference", "a", "--count", "0"], "--count is 0"),
        (["toy-reference", "a", "--batch-size", "-1"], "--batch-size is -1"),
        (["toy-reference", "a", "--threads", "0"], "--threads 0"),
        (["toy-reference", ""], "the prompt is empty"),
        (["toy-reference", "\xff"], "the prompt holds token 255, but small has 128"),
        (["toy-reference", "a", "--checkpoint", "x.npz"], "toy reads no checkpoint"),
        (["toy-reference", "a", "--json", "nowhere/a.json"], "nowhere/a.json: there is no directory"),
        (["toy-reference", "a", "--trace", "."], ".: is a directory"),
        (["llama-reference", "a", "--package", "impls", "--checkpoint", "no.npz"], "no.npz: no such file"),
    ],
)
def test_what_cannot_be_profiled_is_said_in_a_line(folder, capsys, monkeypatch, arguments, complaint):
    monkeypatch.chdir(folder)
    given = arguments if "--package" in arguments else [*arguments, "--package", PACKAGE]
    assert main(["profile", *given]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("kernelgate profile: ") and complaint in said.err
    assert said.err.count("\n") == 1 and not said.out


def test_the_command(folder):
    script = (
        "import sys\n"
        "from kernelgate.__main__ import main\n"
        "assert 'numpy' not in sys.modules, 'before the threads are pinned'\n"
        f"files = ['--package', '{PACKAGE}', '--json', 'a.json', '--trace', 'a.trace']\n"
        "sys.exit(main(['profile', 'toy-reference', 'abc', '--batch-size', '2', '--count', '3', *files]))\n"
    )
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=os.environ | path, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    read = json.loads((folder / "a.json").read_text())
    check_trace(json.loads((folder / "a.trace").read_text()))
    assert run.stdout.startswith(f"abc | {read['text']}\n")
    for line in ("generate 1 ", "prefill 1 ", "layers 2 ", "attention 4 ", "Prefill ", "Peak memory "):
        assert f"\n{line}" in "\n".join(" ".join(row.split()) + " " for row in run.stdout.splitlines())

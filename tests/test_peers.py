"""The side-by-side table: what it is asked for, what it makes of times, and what it prints. No library is needed."""

import json
import math
import random

import pytest

from kernelgate import devices
from kernelgate.__main__ import main
from kernelgate.kernel import discover
from kernelgate.peers import PeersError, rounds
from kernelgate.peers.command import _names
from kernelgate.peers.plan import Group, Operation, models, planned, rows_of
from kernelgate.peers.rounds import LEAST_ROUNDS, add_rates, interleaved, merged, summary
from kernelgate.peers.table import lines

TOOK = {
    "numba_step": [1.0, 2.0, 1.0],
    "llamacpp_gguf": [2.0, 4.0, 3.0],
    "torch_transformers_eager": [8.0, 16.0, 8.0],
    "torch_transformers_static": [4.0, 8.0, 4.0],
}
LIBRARIES = ["torch_transformers_eager", "torch_transformers_static"]


def test_an_operation_is_known_by_its_name():
    step, prompt = Operation.named("decode-b32"), Operation.named("prefill-256")
    assert (step.kernel, step.dims, step.seq, step.tokens) == ("decode", {"batch": 32, "position": 128}, 129, 32)
    assert (prompt.kernel, prompt.dims, prompt.seq, prompt.tokens) == ("prefill", {"batch": 1, "tokens": 256}, 256, 256)


@pytest.mark.parametrize("name", ["decode", "decode-32", "decode-b0", "prefill-b1", "prefill-0", "decode-bb1", "x-1"])
def test_another_name_is_refused(name):
    with pytest.raises(PeersError, match="decode-b<rows> or prefill-<tokens>"):
        Operation.named(name)


def test_what_the_specs_name_is_planned_and_what_is_asked_for_comes_first():
    assert {"stories15M", "gpt2-124M", "llama-3.2-1B"} <= set(models("impls"))
    assert "decode-b1" in planned("impls", "stories15M", [], [])["int4"]
    assert planned("impls", "gpt2-124M", ["bf16"], ["decode-b2"]) == {"bf16": ("decode-b2",)}
    assert planned("impls", "tiny", ["f32"], ["decode-b2"]) == {"f32": ("decode-b2",)}
    for arguments, message in (
        (("stories15M", ["f8"], []), "format f8: unknown"),
        (("stories15M", [], ["decode"]), "operation decode: unknown"),
        (("stories1", [], []), "model stories1: unknown, expected one of .*gpt2-124M"),
        (("llama-3.2-1B", ["f32"], []), "names no operations for f32; give --operations"),
    ):
        with pytest.raises(PeersError, match=message):
            planned("impls", *arguments)


def test_rows_are_those_that_can_run_and_libraries_come_first(monkeypatch):
    monkeypatch.setattr("kernelgate.peers.plan.lacking", lambda backend: "no" if backend == "jax" else "")
    folder = discover("impls")["llama"]
    rows = rows_of(folder, folder.operations["decode"], "f32", [])
    assert rows[:2] == ["llamacpp_gguf", "torch_transformers_compiled"]
    assert "numpy_fused" in rows
    assert not [row for row in rows if row.startswith(("jax", "reference", "llamacpp_int"))]
    assert rows_of(folder, folder.operations["decode"], "f32", ["fused"])[-1] == "numpy_fused"
    assert rows_of(folder, folder.operations["decode"], "int8", ["none"]) == ["llamacpp_int8_gguf"]


def test_ratios_are_of_neighbours_and_say_how_many_times_faster():
    found = summary(TOOK, ["llamacpp_gguf"], LIBRARIES)
    assert found["numba_step"]["seconds"] == 1.0
    assert math.exp(found["numba_step"]["llamacpp"]) == pytest.approx(2.0)
    assert math.exp(found["numba_step"]["transformers"]) == pytest.approx(4.0)  # of the quicker of the two
    assert math.exp(found["torch_transformers_eager"]["llamacpp"]) == pytest.approx(0.25)
    assert found["llamacpp_gguf"]["llamacpp"] == 0.0
    assert "llamacpp" not in summary(TOOK, [], LIBRARIES)["numba_step"]


def test_processes_are_merged_and_a_failure_in_one_is_a_failure():
    one = {"a": {"seconds": 1.0, "llamacpp": math.log(2), "error": None}, "b": {"seconds": 1.0}}
    two = {"a": {"seconds": 3.0, "llamacpp": math.log(8), "error": None}, "b": {"problem": "ValueError: no"}}
    found = merged([one, two])
    assert found["a"]["llamacpp"] == pytest.approx(4.0)
    assert found["a"]["llamacpp_range"] == pytest.approx([2.0, 8.0])
    assert (found["a"]["seconds"], found["a"]["error"], found["a"]["processes"]) == (2.0, None, 2)
    assert found["b"] == {"problem": "ValueError: no"}


def test_every_row_is_called_in_every_round_and_the_probe_between():
    called = {"a": 0, "b": 0}

    def call(row):
        called[row] += 1

    took, probed = interleaved({row: lambda row=row: call(row) for row in called}, random.Random(1), 0.0, lambda: 7.0)
    assert [len(times) for times in took.values()] == [LEAST_ROUNDS] * 2
    assert all(time > 0 for times in took.values() for time in times)
    assert min(called.values()) > LEAST_ROUNDS
    assert probed == [7.0]


def test_the_table_shows_the_quickest_first_and_leaves_nothing_out():
    rows = merged([summary(TOOK, ["llamacpp_gguf"], LIBRARIES)])
    for row in rows.values():
        add_rates(row, 1, 1e9, 2e9)
        row["error"] = 1e-3
    rows["jax_scan"] = {"problem": "ValueError: broken"}
    group = {"model": "m", "operation": "decode-b1", "weights": "f32", "bandwidth": 2e9, "rows": rows}
    document = {"groups": [group], "absent": ["numba_int8 (the processor has no avx512vnni)"]}
    printed = list(lines(document))
    assert printed[1] == "m decode-b1 f32, reading at 2 GB/s"
    assert [line.split()[0] for line in printed[2:7]] == [
        "numba_step",
        "llamacpp_gguf",
        "torch_transformers_static",
        "torch_transformers_eager",
        "jax_scan",
    ]
    assert printed[2].split() == ["numba_step", "1", "s", "1", "2.00", "4.00", "0.001", "1", "50%"]
    assert printed[6].endswith("ValueError: broken")
    assert printed[7] == "absent: numba_int8 (the processor has no avx512vnni)"
    for row in rows.values():
        row.pop("transformers", None), row.update(error=None)
    assert list(lines(document))[2].strip().startswith("(without errors")
    assert list(lines(document))[3].split()[4:6] == ["2.00", "-"]


def test_without_a_library_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(devices, "lacking", lambda backend: f"{backend} is not installed")
    assert main(["peers"]) == 2
    said = capsys.readouterr()
    assert "kernelgate peers: nothing to set beside: llamacpp is not installed" in said.err
    assert not said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--processes", "0"], "--processes is 0, expected at least 1"),
        (["--threads", "0"], "--threads 0: expected 1 to"),
        (["--json", "/nowhere/at/all.json"], "there is no folder /nowhere/at"),
    ],
)
def test_options_that_cannot_be_met_are_named(arguments, message, capsys):
    assert main(["peers", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_group_survives_its_journey_to_another_process():
    group = Group("impls", "tiny", "int8", ("decode-b1",), (), 3, None, 0.5)
    assert Group.from_json(group.to_json()) == group
    assert json.loads(group.to_json())["operations"] == ["decode-b1"]
    assert _names("a, b,") == ["a", "b"]


class Threads:
    """Clocks of a process whose other threads compute for some more seconds."""

    def __init__(self, busy):
        self.now, self.busy, self.looks = 0.0, busy, 0

    def perf_counter(self):
        return self.now

    def process_time(self):
        return min(self.now, self.busy)

    def sleep(self, seconds):
        self.now += seconds
        self.looks += 1


@pytest.mark.parametrize(
    ("busy", "looks"), [(0.0, 1), (10.5 * rounds.LOOK, 12), (1e9, round(rounds.LONGEST_WAIT / rounds.LOOK))]
)
def test_a_block_waits_until_no_other_thread_computes_but_not_for_ever(monkeypatch, busy, looks):
    threads = Threads(busy)
    monkeypatch.setattr(rounds, "time", threads)
    rounds.at_rest()
    assert threads.looks == pytest.approx(looks, abs=1)

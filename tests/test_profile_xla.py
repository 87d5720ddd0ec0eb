"""Profiles of JAX programs: operations are found in the parts whose named scopes they came about in."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiled_models import PACKAGE, calls, check_sums, check_trace, importable, profiled, spans_of

from kernelgate.profile import chrome, xla_trace
from kernelgate.profile.job import Request, prepare
from kernelgate.profile.run import record
from kernelgate.profile.scopes import Program, Programs
from kernelgate.profile.spans import Operation, Recording
from kernelgate.profile.tree import grow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with importable(tmp_path_factory.mktemp("toys")) as folder:
        yield folder


def test_programs_are_told_apart_by_named_scopes(folder):
    pytest.importorskip("jax")
    found = profiled("jax_scoped")
    assert found.source.startswith("jax.profiler")
    check_sums(found.tree)
    parts = {"layers", "layers/attention", "layers/feed-forward", "head", "sampling"}
    named = {f"{where}/{part}" for where in ("prefill", "step") for part in parts}
    assert set(calls(found.tree)) == {"", "prefill", "step"} | named
    assert all(node.duration > 0 for _, node in found.tree.walk())
    trace = chrome.trace(found.recording, "toy")
    check_trace(trace)
    assert {"attention", "sampling"} <= {
        word for event in trace["traceEvents"] for word in (event["name"], *event["args"].get("part", "").split("/"))
    }

    job = prepare(Request("toy-jax_plain", "abc", PACKAGE, count=3))
    _, recording, _ = record(job, job.load(), lambda result: result)
    assert recording.operations and not recording.shares
    assert "to none" in recording.notes[0]


@pytest.mark.parametrize(
    ("operations", "control", "expected"),
    [
        ([("a", 0, 40), ("b", 40, 30)], set(), {"a": 40, "b": 30}),
        ([("a", 0, 40), ("b", 20, 40)], set(), {"a": 30, "b": 30}),
        ([("loop", 0, 100), ("a", 20, 50)], {0}, {"loop": 50, "a": 50}),
        ([("loop", 0, 100), ("a", 20, 50)], set(), {"loop": 75, "a": 25}),
        ([("a", 90, 100), ("", 0, 50), ("b", 300, 5), ("a", 60, 0)], set(), {"a": 10}),
    ],
    ids=["one by one", "two at once", "a loop", "no loop", "outside"],
)
def test_time_is_divided_among_what_runs(operations, control, expected):
    taken = [Operation("op", (part,) if part else (), "thread", start, length) for part, start, length in operations]
    shares, _ = xla_trace.divided(Recording(spans_of((0, 0, 100)), operations=taken), control, set())
    assert {share.path[0]: share.duration for share in shares} == expected


@settings(max_examples=60)
@given(st.data())
def test_shares_never_come_to_more_than_their_span(data):
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    spans = spans_of((0, 0, 1000), (1, 100, 300), (2, 200, 100), (1, 400, 600))
    paths = ((), ("a",), ("a", "b"), ("a", "b", "c"), ("d",))
    taken = [Operation("op", rng.choice(paths), "x", rng.randrange(1200), rng.randrange(300)) for _ in range(30)]
    recording = Recording(spans, operations=taken)
    recording.shares, _ = xla_trace.divided(recording, {1, 2}, {3})
    grow(recording)


HLO = """HloModule jit_step, is_scheduled=true

%fused (p: f32[4]) -> f32[4] {{
  %p = f32[4]{{0}} parameter(0)
  ROOT %tanh.1 = f32[4]{{0}} tanh(%p), metadata={{op_name="jit(step)/while/body/closed_call/layers/attention/tanh"}}
}}

ENTRY %main (x: f32[4], w: f32[4]) -> f32[4] {{
  %x = f32[4]{{0}} parameter(0), metadata={{op_name="x"}}
  %w = f32[4]{{0}} parameter(1)
  %mixed = f32[4]{{0}} fusion(%x), kind=kLoop, calls=%fused
  %dot.1 = f32[4]{{0}} multiply(%mixed, %w)
  %sum.1 = f32[4]{{0}} add(%dot.1, %x), metadata={{op_name="jit(step)/{scope}/bv,vd->bd/jit(silu)/add"}}
  %first = f32[4]{{0}} copy(%w)
  ROOT %last = f32[4]{{0}} add(%sum.1, %first), metadata={{op_name="jit(step)/layers/feed-forward/add"}}
}}
"""


def test_an_operation_belongs_where_its_metadata_or_its_input_says():
    program = Program(HLO.format(scope="head"))
    parts = {name: program.part(name) for name in ("mixed", "dot.1", "sum.1", "first", "last", "elsewhere")}
    assert parts == {
        "mixed": ("layers", "attention"),
        "dot.1": ("layers", "attention"),
        "sum.1": ("head",),
        "first": ("layers", "feed-forward"),
        "last": ("layers", "feed-forward"),
        "elsewhere": (),
    }
    assert [name for name in parts if name != "elsewhere" and not program.named(name)] == ["dot.1", "first"]


def test_of_programs_with_one_name_the_one_that_has_the_operations_is_read():
    other = HLO.format(scope="embedding").replace("sum.1", "sum.2")
    programs = Programs([("jit_step", other), ("jit_step", HLO.format(scope="head")), ("jit_more", other)])
    assert programs.find("jit_step", {"sum.1", "last"}).part("sum.1") == ("head",)
    assert programs.find("jit_step", {"sum.2", "last"}).part("sum.2") == ("embedding",)
    assert programs.find("jit_less", {"sum.1"}) is None

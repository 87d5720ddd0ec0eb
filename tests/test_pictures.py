"""The gate's page: what is in it, that nothing from the data becomes code, and what is said of files that are wrong."""

import copy
import json
import math
import random
import re
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_documents import (
    NEEDS_LIBRARIES,
    VERDICTS,
    Parsed,
    benchmark,
    check_figures,
    gate_document,
    gate_page,
    gate_row,
    gate_run,
    journal,
    stored,
    stored_run,
    stored_runs,
)

from kernelgate.__main__ import main
from kernelgate.pictures import page
from kernelgate.pictures.forest import SHAPES, Axis

pytestmark = NEEDS_LIBRARIES

HOSTILE = [
    "</script><script>hacked=1</script>",
    '"><img src=x onerror=hacked=1>',
    "<!--<script>",
    "%{x}",
    "a&amp;b",
    "$x$",
    "\ud800",
]
names = st.text(min_size=1, max_size=30) | st.sampled_from(HOSTILE)
ratios = st.lists(st.floats(-10, 10), min_size=2, max_size=6)


TAGS = set(Parsed(gate_page(*gate_run(9))[0]).tags)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(names, st.sampled_from(VERDICTS), names), min_size=1, max_size=4), asked=names)
def test_no_name_or_reason_becomes_markup(rows, asked):
    lines = [gate_row(name, verdict) | {"reason": reason} for name, verdict, reason in rows]
    listing = {"listing": {"base": "", "head": asked}, "structure": [{"figure": asked, "base": asked, "head": [asked]}]}
    text, figures = gate_page(
        gate_document([line | listing for line in lines]) | {"asked": asked}, journal(lines, random)
    )
    parsed = Parsed(text)
    assert set(parsed.tags) <= TAGS and parsed.tags.count("script") == 3
    assert not {name for name in parsed.attributes if name.startswith("on")}
    text.encode()
    told = "".join("".join(parsed.text).split())
    for name, _, reason in rows:
        assert "".join(name.split()).replace("\ud800", "?") in told
        assert "".join(reason.split()).replace("\ud800", "?") in told
    assert "<b>" not in json.dumps(figures)


@given(data=st.recursive(st.none() | names | st.floats(allow_nan=False, allow_infinity=False), st.lists))
def test_embedded_json_is_the_data_and_ends_no_script(data):
    text = page.embed(data)
    assert json.loads(text) == data
    assert "<" not in text and ">" not in text


@settings(max_examples=60, deadline=None)
@given(head=ratios, control=ratios, margin=st.floats(0, 1), seconds=st.none() | st.floats(0, 1e3))
def test_every_measurement_can_be_drawn(head, control, margin, seconds):
    row = gate_row("row") | {"head": head, "control": control, "margin": margin, "base_seconds": seconds}
    _, figures = gate_page(gate_document([row]))
    (figure,) = figures.values()
    drawn = {trace["name"]: trace["y"] for trace in figure["data"]}
    for side, given_ratios in (("head", head), ("control", control)):
        assert drawn[side] == pytest.approx([math.expm1(ratio) * 100 for ratio in given_ratios], rel=1e-4, abs=1e-3)


@given(st.lists(st.floats(-10, 10), min_size=2), st.floats(0.001, 1), st.floats(0.001, 10))
def test_the_axis_keeps_the_order_and_its_ticks_apart(log_ratios, unit, reach):
    axis = Axis(unit, max(reach, 2 * unit))
    positions = [axis.x(ratio) for ratio in sorted(log_ratios)]
    assert positions == sorted(positions)
    ticks = sorted(x for x, _ in axis.ticks())
    assert all(right - left >= 39 for left, right in pairwise(ticks))


def test_gate_page_shows_rows_rounds_structure_and_listing():
    document, lines = gate_run(9)
    text, figures = gate_page(document, lines)
    told = " ".join(Parsed(text).text)
    order = [told.index(verdict) for verdict in VERDICTS]
    assert all(row["row"] in told for row in document["rows"]) and "two neighbours" in told
    assert "2 -> 3 fusions, +30 % bytes" in told and "+%c = copy(%a)" in told and len(order) == len(VERDICTS)
    rounds = [line for line in lines if line["row"] == document["rows"][0]["row"]]
    assert len(figures["rounds-0"]["data"][1]["y"]) == sum(len(line["head"]) for line in rounds)
    assert len(set(SHAPES.values())) == len(VERDICTS), "a verdict is told by its shape as well as by its colour"
    check_figures(figures)


def test_an_odd_round_does_not_flatten_the_others_and_is_counted():
    row = gate_row("row")
    lines = journal([row], random.Random(3))
    assert "range" not in gate_page(gate_document([row]), lines)[1]["rounds-0"]["layout"]["yaxis"]
    lines[2]["head"][4] = 1.0
    layout = gate_page(gate_document([row]), lines)[1]["rounds-0"]["layout"]
    assert layout["yaxis"]["range"][1] < 20
    assert any("beyond, a double click shows all" in note["text"] for note in layout["annotations"])


def test_rows_are_sorted_worst_first():
    document, _ = gate_run(12)
    random.Random(2).shuffle(document["rows"])
    tags = re.findall(r'<tr class="row [^"]*" data-tag="(\w+)"', gate_page(document)[0])
    assert tags == sorted(tags, key=VERDICTS.index)


def wrong_documents():
    document, _ = gate_run(3)
    yield "another schema", document | {"schema": 2}, "schema 2, expected 1"
    yield "a list", [document], "expected an object"
    yield "no rows", {name: value for name, value in document.items() if name != "rows"}, "rows is None"
    for name, value in {"verdict": "MAYBE", "margin": "1%", "head": [0.1], "control": [0.1, 99], "listing": 3}.items():
        changed = copy.deepcopy(document)
        changed["rows"][0][name] = value
        yield name, changed, "listing" if name == "listing" else name


@pytest.mark.parametrize(("document", "complaint"), [case[1:] for case in wrong_documents()])
def test_a_wrong_gate_document_is_told_in_one_line_and_nothing_is_written(document, complaint, tmp_path, capsys):
    source, output = tmp_path / "gate.json", tmp_path / "gate.html"
    source.write_text(json.dumps(document))
    output.write_text("before")
    assert main(["gate", str(source), "-o", str(output)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(source) in said and complaint in said
    assert output.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"gate.json", "gate.html"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"no json", "not JSON: Expecting value"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{}", "not a file of pytest-benchmark"),
        (json.dumps(gate_document([])).encode(), "python -m kernelgate gate"),
        (json.dumps(stored_run([]) | {"datetime": "yesterday"}).encode(), "ISO 8601"),
        (json.dumps(stored_run([benchmark(median=0)])).encode(), "median is 0"),
        (json.dumps(stored_run([benchmark(gflops=math.nan)])).encode(), "NaN"),
        (json.dumps(stored_run([benchmark(gflops="fast")])).encode(), "gflops is 'fast'"),
        (None, "No such file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_file_is_told_in_one_line(content, complaint, tmp_path, capsys):
    (right,), wrong = stored(tmp_path, stored_runs(1)), tmp_path / "wrong.json"
    if content is not None:
        wrong.write_bytes(content)
    assert main(["report", str(right), str(wrong), "-o", str(tmp_path / "report.html")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(wrong) in said and complaint in said
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("name", ["plotly", "ruptures"])
def test_a_missing_library_is_named_with_how_to_get_it(name, tmp_path, monkeypatch, capsys):
    for module in [module for module in sys.modules if module.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    sources = map(str, stored(tmp_path, stored_runs(12, step_at=6)))
    assert main(["report", *sources, "-o", str(tmp_path / "report.html")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{name}, " in said and "pip install 'kernelgate[report]'" in said

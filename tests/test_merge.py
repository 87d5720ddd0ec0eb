"""Shards merged into one report that decides for the whole."""

import json
from dataclasses import replace

import pytest

from kernelgate.against import Base
from kernelgate.gate_report import Report, sentence, table, write
from kernelgate.merge import MergeError, main, merge
from kernelgate.outcome import Outcome
from kernelgate.structure import Difference
from kernelgate.verdict import Evidence, Verdict

SLOW, STILL = Evidence((0.1, 0.11, 0.1)), Evidence((0.0, 0.001, 0.0))
BASE = Base("main", "c" * 40)


def outcome(row, verdict=Verdict.PASS, head=STILL):
    return Outcome(row, verdict, 0.01, head, STILL, 1e-3)


def shard(folder, *outcomes, base=BASE, notes=()):
    write(folder, Report(base, outcomes, notes))
    return folder


def test_the_whole_is_what_its_shards_are(tmp_path):
    shards = [
        shard(tmp_path / "1", outcome("a"), outcome("b", Verdict.FAIL, SLOW), notes=("a neighbour",)),
        shard(tmp_path / "2", outcome("c"), notes=("a neighbour",)),
    ]
    report = merge(shards)
    assert [one.row for one in report.ordered] == ["b", "a", "c"]
    assert report.ordered[0] == outcome("b", Verdict.FAIL, SLOW)
    assert report.notes == ("a neighbour",)
    assert (report.base.asked, report.base.commit) == ("main", "c" * 40)


def test_one_failed_row_decides(tmp_path, capsys):
    good, bad = shard(tmp_path / "1", outcome("a")), shard(tmp_path / "2", outcome("b", Verdict.FAIL, SLOW))
    assert main([good], tmp_path / "out") == 0
    assert main([good, bad], tmp_path / "out") == 1
    assert "FAIL" in capsys.readouterr().out
    rows = json.loads((tmp_path / "out" / "gate.json").read_text())["rows"]
    assert [row["row"] for row in rows] == ["b", "a"]


def test_a_control_that_moved_in_one_shard_makes_every_clock_invalid(tmp_path):
    moved = shard(tmp_path / "1", outcome("a", Verdict.INVALID, SLOW))
    larger = replace(outcome("c", Verdict.FAIL, SLOW), reason="flops 1 -> 2")
    merged = merge([moved, shard(tmp_path / "2", outcome("b", Verdict.FAIL, SLOW), larger)])
    found = {one.row: (one.verdict, one.reason) for one in merged.outcomes}
    assert found["b"][0] is Verdict.INVALID
    assert "see a" in found["b"][1]
    assert found["c"] == (Verdict.FAIL, "flops 1 -> 2")


def test_what_every_shard_misses_is_told_once(tmp_path):
    missing = Outcome("gone", Verdict.MISSING, 0.0, reason="at main, not here")
    report = merge([shard(tmp_path / "1", missing, outcome("a")), shard(tmp_path / "2", missing)])
    assert [one.row for one in report.ordered] == ["gone", "a"]


def test_reports_that_do_not_belong_together_are_refused(tmp_path):
    one = shard(tmp_path / "1", outcome("a"))
    with pytest.raises(MergeError, match="a is in another report too"):
        merge([one, shard(tmp_path / "2", outcome("a"))])
    with pytest.raises(MergeError, match="expected one commit"):
        merge([one, shard(tmp_path / "3", outcome("b"), base=Base("main", "d" * 40))])
    with pytest.raises(MergeError, match="expected the --gate-report of a shard"):
        merge([tmp_path / "nothing"])


DIFFERENCE = Difference("flops", 1, 2, True, "flops 1 flop -> 2 flop (+100 %)")
WHOLE = Outcome(
    *("a", Verdict.FAIL, 0.01, SLOW, STILL, 1e-3, DIFFERENCE.text, (DIFFERENCE,), ("base's", "head's")),
    unread="error not read: the oracle is out",
)


def test_nothing_of_an_outcome_is_lost(tmp_path):
    assert merge([shard(tmp_path / "1", WHOLE)]).outcomes == (WHOLE,)


def test_exact_figures_that_could_not_be_had_are_told():
    assert "flops 1 flop -> 2 flop (+100 %) (error not read: the oracle is out)" in sentence(WHOLE, BASE)
    assert any("not read: the oracle is out" in line for line in table(Report(BASE, (WHOLE,)), verbose=False))


def test_the_runs_own_false_alarms_are_told(tmp_path):
    calm, moved = outcome("calm"), Outcome("moved", Verdict.PASS, 0.01, STILL, SLOW, 1e-3)
    last = list(table(Report(BASE, (calm, moved)), verbose=False))[-1]
    assert last == "2 PASS; false alarms, the same code against itself at 1 % a row: 1 of 2 (moved)"
    assert list(table(Report(BASE, (calm,)), verbose=False))[-1].endswith("at 1 % a row: 0 of 1")
    shard(tmp_path / "1", calm, moved)
    assert json.loads((tmp_path / "1" / "gate.json").read_text())["control_alarms"] == 1

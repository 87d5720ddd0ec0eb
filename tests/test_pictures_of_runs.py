"""The page of stored runs: speed-ups, roofline, and a history that finds lasting changes and invents none."""

import json
import random
import re

from hypothesis import given
from hypothesis import strategies as st
from picture_documents import NEEDS_LIBRARIES, benchmark, check_figures, report_page, stored, stored_run, stored_runs

from kernelgate.pictures import heatmap, history, roofline
from kernelgate.pictures.runs import load

pytestmark = NEEDS_LIBRARIES


def test_heat_map_and_roofline_hold_every_figure(tmp_path):
    rows = [benchmark("reference"), benchmark("numba_rows", speedup=8.0), benchmark("reference", kernel="softmax")]
    copying = benchmark("numba_rows", kernel="gather", flops=0, speedup=0.5, operation="decode")
    (run,) = load(stored(tmp_path, [stored_run([*rows, copying])]))
    (heat,) = heatmap.figure(run.results)["data"]
    assert heat["y"] == ["gather decode decode-b1", "rope decode-b1", "softmax decode-b1"]
    assert heat["x"] == ["reference", "numba_rows"]
    assert heat["z"] == [[None, -1.0], [0.0, 3.0], [0.0, None]], "log 2 of the speed-up, empty where there is none"
    assert heat["text"] == [["", "0.5"], ["1", "8"], ["1", ""]]
    roof = roofline.figure(run.results, run.limits["cpu"], "f32")
    traces = {trace["name"]: trace for trace in roof["data"]}
    assert {"2 MiB: 87.1 GB/s", "128 MiB: 32 GB/s", "peak: 51.7 GFLOP/s", "reference", "numba"} == set(traces)
    assert traces["numba"]["x"] == [0.25], "a copy is on no picture of operations"
    assert "40% of the machine&#x27;s limit".replace("&#x27;", "'") in traces["numba"]["hovertext"][0]
    for trace in (traces["2 MiB: 87.1 GB/s"], traces["128 MiB: 32 GB/s"]):
        assert max(trace["y"]) <= 51.7
    text, figures = report_page(tmp_path, [stored_run([*rows, copying])])
    assert "1 benchmarks without floating-point operations" in text
    check_figures(figures)


def test_history_says_what_it_cannot_know(tmp_path):
    assert "there is no history yet" in report_page(tmp_path, stored_runs(1))[0]
    text, figures = report_page(tmp_path, stored_runs(5, step_at=3))
    assert "has 12 runs on one machine or more; 3 of 3 have fewer" in text and 'data-tag="too few runs"' in text
    assert not figures["history-0"]["layout"]["shapes"]


def test_history_shows_a_step_and_keeps_machines_apart(tmp_path):
    text, figures = report_page(tmp_path, stored_runs(20, step_at=9))
    assert re.search(r'data-tag="slower".*?numba_rows.*?\+3\d\.\d%.*?2026-10-10', text, re.DOTALL)
    assert text.count('data-tag="steady"') == 3, "two rows and a button"
    check_figures(figures)
    other = [stored_run([benchmark(median=1e-3)], day, "Neoverse") for day in range(10)]
    assert all(one.changes == () for one in history.series(load(stored(tmp_path, stored_runs(10) + other))))


def test_other_benchmarks_are_in_the_history_only(tmp_path):
    foreign = {"fullname": "test_x", "group": None, "params": None, "stats": {"median": 1.0}, "extra_info": {}}
    text, figures = report_page(tmp_path, [stored_run([foreign], day) for day in range(2)])
    assert "test_x" in text and set(figures) == {"history-0"}


@given(st.integers(6, 20), st.integers(6, 20), st.floats(1.1, 3), st.booleans(), st.integers(0, 1000))
def test_a_lasting_change_is_found_where_it_is(before, after, factor, faster, seed):
    rng = random.Random(seed)
    level = 1 / factor if faster else factor
    medians = [(1 if run < before else level) * (1 + rng.uniform(-0.01, 0.01)) for run in range(before + after)]
    assert before in history.change_points(medians)


@given(st.lists(st.sampled_from([1e-6, 1.01e-6, 2e-6, 5e-6, 1e-3]) | st.floats(1e-9, 1e3), min_size=1, max_size=60))
def test_changes_part_any_history_into_stretches(medians):
    one = history.Series(
        "name", "machine", ("run",) * len(medians), tuple(medians), tuple(history.change_points(medians))
    )
    assert [run for first, end, _ in one.levels for run in range(first, end)] == list(range(len(medians)))
    assert all(first < end for first, end, _ in one.levels)
    json.dumps(history.figure(one), allow_nan=False)


@given(st.integers(0, 40), st.floats(1e-9, 1e3))
def test_neither_constant_nor_few_runs_change(count, level):
    assert history.change_points([level] * count) == []
    assert history.change_points([level, 2 * level] * 5) == [] and history.RUNS_NEEDED > 10


def test_noise_and_single_odd_runs_seldom_look_like_a_change():
    rng = random.Random(1)
    noisy = [[1 + rng.gauss(0, 0.02) + (rng.random() < 0.1) for _ in range(12 + number % 30)] for number in range(200)]
    assert sum(bool(history.change_points(medians)) for medians in noisy) <= 6

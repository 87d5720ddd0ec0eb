"""A gate run and stored benchmark runs, made up as if written by their tools, and the pages drawn of them."""

import json
import random
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib.util import find_spec
from types import SimpleNamespace
from unittest import mock

import pytest

from kernelgate.pictures import gate_html, page, report_html
from kernelgate.pictures.gate_document import understand
from kernelgate.pictures.runs import load

# By looking and not by importing: collecting stays quick.
NEEDS_LIBRARIES = pytest.mark.skipif(
    not (find_spec("plotly") and find_spec("ruptures")), reason="pictures need pip install 'kernelgate[report]'"
)
VERDICTS = ("FAIL", "INVALID", "MISSING", "INCONCLUSIVE", "NEW", "PASS")
SHIFTS = {"FAIL": 0.05, "INVALID": 0.03, "INCONCLUSIVE": 0.01, "PASS": -0.002}
IMPLS = ("reference", "numba_rows", "jax_fused")


def gate_row(name, verdict="PASS", rng=None, processes=5):
    rng = rng or random.Random(7)
    row = {"row": name, "verdict": verdict, "margin": 0.01, "reason": "", "base_seconds": 1.5e-4}
    if verdict in ("NEW", "MISSING"):
        return row | {"reason": f"{verdict} at main", "base_seconds": None, "head": [], "control": []}
    head = [SHIFTS[verdict] + rng.gauss(0, 0.003) for _ in range(processes)]
    return row | {"head": head, "control": [rng.gauss(0, 0.003) for _ in range(processes)]}


def gate_document(rows):
    return {"schema": 1, "base": "0123456789abcdef", "asked": "main", "notes": ["two neighbours"], "rows": rows}


def gate_run(rows):
    """A document of as many rows, a few of each verdict, and the journal to it."""
    rng = random.Random(11)
    verdicts = [*VERDICTS, *["PASS"] * rows][:rows]
    lines = [
        gate_row(f"rope-numba_fused-case{number}-f32-cpu", verdict, rng) for number, verdict in enumerate(verdicts)
    ]
    lines[0]["structure"] = [
        {"figure": "flops", "base": 100, "head": 100, "worse": False, "text": ""},
        {"figure": "fusions", "base": 2, "head": 3, "worse": True, "text": "2 -> 3 fusions, +30 % bytes"},
    ]
    lines[0]["listing"] = {"base": "%a = add(%x)\n%b = mul(%a)", "head": "%a = add(%x)\n%c = copy(%a)\n%b = mul(%c)"}
    return gate_document(lines), journal(lines, rng)


def journal(rows, rng):
    return [
        {
            "stage": "screen",
            "process": process,
            "row": row["row"],
            "base_seconds": 1e-4,
            "head": [ratio + rng.gauss(0, 0.01) for _ in range(20)],
            "control": [rng.gauss(0, 0.01) for _ in range(20)],
        }
        for row in rows
        for process, ratio in enumerate(row["head"])
    ]


def benchmark(impl="reference", kernel="rope", median=1e-4, speedup=1.0, case="decode-b1", operation="kernel", **extra):
    names = {"kernel": kernel, "impl": impl, "case": case, "dtype": "f32", "device": "cpu"}
    group = "-".join(value for name, value in names.items() if name != "impl")
    figures = {"flops": 1000, "bytes": 4000, "gflops": 2.5, "gbps": 10.0, "limit_share": 0.4, "error_ulps": 0.5}
    return {
        "fullname": f"tests/test_speed.py::test_{operation}[{'-'.join(names.values())}]",
        "group": group if operation == "kernel" else f"{operation} {group}",
        "params": names,
        "stats": {"median": median},
        "extra_info": figures | {"first_call_s": 0.1, "speedup_over_reference": speedup} | extra,
    }


def stored_run(benchmarks, day=0, processor="AMD EPYC"):
    limits = {"cpu": {"GB/s": {"2048 KiB": 87.1, "131072 KiB": 32.0}, "GFLOP/s": {"f32": 51.7}}}
    return {
        "machine_info": {"cpu": {"brand_raw": processor, "count": 2}, "kernelgate": {"limits": limits}},
        "commit_info": {"id": f"{day:040x}", "dirty": False},
        "datetime": (datetime(2026, 10, 1, 3, tzinfo=UTC) + timedelta(days=day)).isoformat(),
        "version": "5.3.0",
        "benchmarks": benchmarks,
    }


def stored_runs(count, step_at=None):
    """Runs of three implementations; from `step_at` on, the second takes 30 % longer."""
    rng = random.Random(5)
    runs = []
    for day in range(count):
        slowed = 1.3 if step_at is not None and day >= step_at else 1.0
        medians = [1e-4 * factor * (1 + rng.gauss(0, 0.01)) for factor in (1.0, 0.2 * slowed, 0.5)]
        speedups = [1.0, 5.0 / slowed, 2.0]
        rows = zip(IMPLS, medians, speedups, strict=True)
        runs.append(
            stored_run([benchmark(impl, median=median, speedup=speedup) for impl, median, speedup in rows], day)
        )
    return runs


class Parsed(HTMLParser):
    """Tags, attributes and text of a page, without its scripts and style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self._in = [], set(), [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self._in = tag
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in not in ("script", "style"):
            self.text.append(data)


def without_plotly(draw, *arguments):
    """The page without 5 MB of JavaScript in it, and its figures."""
    plotly = SimpleNamespace(get_plotlyjs=lambda: "")
    with mock.patch.object(page, "library", lambda name: plotly):
        text = draw(*arguments)
    embedded = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    return text, json.loads(embedded[1])


def gate_page(document, lines=()):
    return without_plotly(gate_html.page, understand(document, lines))


def report_page(tmp_path, runs):
    return without_plotly(report_html.page, load(stored(tmp_path, runs)))


def stored(folder, runs):
    paths = [folder / f"{number:04}.json" for number in range(len(runs))]
    for path, run in zip(paths, runs, strict=True):
        path.write_text(json.dumps(run))
    return paths


def check_figures(figures):
    """Plotly itself accepts them, once page.css's names of colours are colours."""
    from plotly import graph_objects

    assert figures
    for figure in figures.values():
        graph_objects.Figure(json.loads(re.sub(r"var\(--[a-z]+\)", "#123456", json.dumps(figure))))

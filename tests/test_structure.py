"""Structure beside the clock: each planted regression is found and named; the same code twice differs in nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structure_plants import KERNEL, SIZE, reader, worse

from kernelgate.devices import installed
from kernelgate.kernel import Kernel
from kernelgate.numba_cache import COPY
from kernelgate.structure import compare, unread
from kernelgate.structure.differences import NOT_READ, RULES
from kernelgate.structure.listing import MOST_CHARACTERS, bounded
from kernelgate.structure.loops import innermost

ROOT = Path(__file__).parent.parent


@pytest.fixture
def structure(tmp_path, monkeypatch):
    return reader(tmp_path, monkeypatch)


NUMPY = """
import numpy as np
import ml_dtypes

def scaled(x):
    squares = x * x
    scale = squares.mean(axis=-1, keepdims=True)
    scale += np.float32(1)
    np.sqrt(scale, out=scale)
    return np.divide(x, scale, out=squares)
"""


class TestNumpy:
    def test_a_temporary_more(self, structure):
        base = structure("numpy_base", NUMPY)
        head = structure("numpy_head", NUMPY.replace(", out=squares", ""))
        (difference,) = worse(base, head).values()
        assert difference.figure == "peak temporary bytes"
        assert difference.head - difference.base == pytest.approx(SIZE, abs=1024)

    def test_a_float64_temporary(self, structure):
        head = NUMPY.replace("squares = x * x", "squares = x * x\n    squares[:] = np.square(x, dtype=np.float64)")
        found = worse(structure("numpy_base", NUMPY), structure("numpy_head", head))
        assert found["peak temporary bytes"].head - found["peak temporary bytes"].base > 2 * SIZE - 1024

    def test_a_result_of_another_dtype(self, structure):
        head = NUMPY.replace("np.divide(x, scale, out=squares)", "np.divide(x, scale, dtype=np.float64)")
        found = worse(structure("numpy_base", NUMPY), structure("numpy_head", head))
        assert found["result dtype"].text == "result dtype float32 -> float64"
        assert found["result bytes"].text == "result bytes 65.5 kB -> 131 kB (+100 %)"

    @pytest.mark.parametrize("allowed", [8, 1e6])
    def test_a_result_rounded_to_bfloat16(self, structure, allowed):
        kernel = Kernel(**vars(KERNEL) | {"ulps": {"f32": allowed}})
        head = NUMPY.replace("return ", "return (") + "    .astype(ml_dtypes.bfloat16).astype(np.float32))"
        found = worse(structure("numpy_base", NUMPY, kernel), structure("numpy_head", head, kernel))
        assert set(found) == {"peak temporary bytes", "error"}
        text = found["error"].text
        assert text.endswith("ulps") if allowed > 8 else "-> none: " in text and text.endswith("ulps, allowed 8")


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.share is not None])
def test_every_rule_can_fail_and_lets_pass(name):
    rule = RULES[name]
    base = {"vectorised loops": 4, "bytes accessed": 10**6, "output bytes": 10**6, name: 10**6}
    step = 10**6 * rule.share + rule.least
    wrong, right = (1, -1) if rule.more_is_worse else (-1, 1)
    beyond = base | {"vectorised loops": 3, name: 0 if wrong < 0 else base[name] + step * 1.01 + rule.noise + 1}
    assert [difference.figure for difference in compare(base, beyond) if difference.worse] == [name]
    within = base | {name: base[name] + wrong * step}
    assert not [difference for difference in compare(base, within) if difference.worse]
    better = base | {name: base[name] + right * (step + rule.noise + 1)}
    assert [(difference.figure, difference.worse) for difference in compare(base, better)] == [(name, False)]


@pytest.mark.parametrize(
    ("name", "value", "excuse"),
    [
        ("flops", 2e6, {"bytes accessed": 5e5}),
        ("operations", 3, {"bytes accessed": 5e5}),
        ("aliased bytes", 0, {"output bytes": 5e5}),
        ("scalar loops", 3, {"vectorised loops": 4}),
        ("packed FMA", 1, {}),
    ],
)
def test_what_pays_for_itself_is_excused(name, value, excuse):
    base = {"vectorised loops": 4, "bytes accessed": 1e6, "output bytes": 1e6, name: 2}
    head = base | excuse | {name: value}
    assert name in {difference.figure for difference in compare(base, head)}
    assert not [difference for difference in compare(base, head) if difference.worse]


def test_a_figure_that_is_gone_is_worse_and_a_new_one_is_told():
    gone = compare({"flops": 3, NOT_READ: {}}, {NOT_READ: {"flops": "a cloud passed"}})
    assert [(found.text, found.worse) for found in gone] == [("flops 3 flop -> none: a cloud passed", True)]
    new = compare({"error": None, NOT_READ: {"error": "off"}}, {"error": 1.25, NOT_READ: {}})
    assert [(found.text, found.worse) for found in new] == [("error none -> 1.25: off", False)]
    unknown = compare({"spills": 1}, {"spills": 2})
    assert [(found.text, found.worse) for found in unknown] == [("spills 1 -> 2", True)]


def test_differences_read_well():
    base = {"bytes accessed": 1_200_000, "fusions": 2, "error": 1.2, "vector width": 512, "instructions": {"dot": 3}}
    head = {"bytes accessed": 1_560_000, "fusions": 3, "error": 340.0, "vector width": 128, "instructions": {"copy": 1}}
    assert [difference.text for difference in compare(base, head)] == [
        "bytes accessed 1.2 MB -> 1.56 MB (+30 %)",
        "fusions 2 -> 3",
        "error 1.2 -> 340 ulps",
        "vector width 512 -> 128",
        "copy 0 -> 1",
        "dot 3 -> 0",
    ]


values = st.one_of(st.none(), st.integers(0, 10**9), st.floats(0, 1e9), st.text(max_size=3))


@given(st.dictionaries(st.sampled_from([*RULES, "unknown"]), values))
def test_the_same_figures_differ_in_nothing(found):
    assert compare(found, dict(found)) == []


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=8, max_size=8))
def test_an_innermost_loop_is_closed_and_holds_no_other(graph):
    edges = {str(block): [str(target) for target in targets] for block, targets in enumerate(graph)}
    loops = innermost(edges, "0")
    for body in loops:
        for block in body:
            reached, todo = set(), [block]
            while todo:
                for target in edges[todo.pop()]:
                    if target in body and target not in reached:
                        reached.add(target)
                        todo.append(target)
            assert block in reached
    assert innermost({"a": ["b"], "b": ["c"], "c": ["c", "b", "d"], "d": []}, "a") == [{"c"}]


SCRIPT = """
import json, sys
from kernelgate import numba_cache, threads
threads.pin(1)
numba_cache.use()
sys.path.insert(0, sys.argv[1])
import numpy as np
from kernelgate.arrays import aligned, map_arrays
from kernelgate.devices import installed
from kernelgate.kernel import DTYPES, backend_of, discover
from kernelgate.structure import figures
from kernelgate.subject import Subject

folders = discover(sys.argv[2])
pairs = [(folder, name) for folder in folders.values() for name in folder.implementations]
for folder, name in pairs[:: int(sys.argv[3])]:
    if installed(backend_of(name)):
        subject = Subject(folder, "kernel", name, "f32", "cpu")
        kernel = subject.kernel
        case = next(iter(kernel.cases.values()))
        placed = subject.place(map_arrays(aligned, kernel.inputs(np.random.default_rng(1), DTYPES["f32"], **case)))
        call = subject.bind(placed)
        call()
        print(json.dumps([f"{folder.name}-{name}", figures(subject, placed, call)]))
"""


def test_copies_in_processes_of_their_own_differ_in_nothing(tmp_path):
    """Two copies of the package, as the gate lays them out; another hash seed, the rows in another order."""
    kernels = ("rmsnorm", "rope", "softmax", "swiglu")
    others = [path.parent.name for path in (ROOT / "impls").glob("*/spec.py") if path.parent.name not in kernels]
    # Compiling explicit vectors takes longer than all the rest, and two kernels in plain loops have every figure.
    slow = [f"numba_{how}.py" for how in ("vectors", "online", "fused", "packed", "bf16_packed", "tiles")]
    left_out = shutil.ignore_patterns("__pycache__", "data", "checkpoints", *others, *slow)
    runs = []
    for package, seed, order in ((f"{COPY}_base", "1", "1"), (f"{COPY}_head", "2", "-1")):
        shutil.copytree(ROOT / "impls", tmp_path / package, ignore=left_out)
        command = [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path), package, order]
        environment = os.environ | {"PYTHONHASHSEED": seed, "KERNELGATE_NUMBA_CACHE": str(tmp_path / f"cache-{seed}")}
        runs.append(subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True))
    base, head = (
        {name: found for name, found in map(json.loads, run.communicate(timeout=120)[0].splitlines())} for run in runs
    )
    assert [run.returncode for run in runs] == [0, 0]
    assert len(base) >= 8
    read = {name for found in base.values() for name, value in found.items() if value is not None}
    assert read >= RULES.keys() or not installed("numba") or not installed("jax")
    assert base.keys() == head.keys()
    assert [difference for name in base for difference in compare(base[name], head[name])] == []


def test_a_long_listing_says_what_it_leaves_out():
    text = "line\n" * MOST_CHARACTERS
    kept = bounded(text)
    assert len(kept) < MOST_CHARACTERS + 50
    assert kept.endswith("more characters")
    assert bounded("short") == "short"


def test_figures_that_neither_side_gives_are_told_with_their_reason():
    base = {"a": None, "b": None, NOT_READ: {"a": "no such machine", "b": "no such machine"}}
    assert unread(base, base) == "a, b not read: no such machine"
    assert unread(base, {"a": 1, "b": 1, NOT_READ: {}}) == ""
    assert not compare(base | {"listing": "x"}, base | {"listing": "y"})

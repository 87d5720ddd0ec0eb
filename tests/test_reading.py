"""What a gate run reads of compilers: in other processes, on both sides, and once for what stays as it is."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from structure_plants import needs_jax

from kernelgate import gate, numba_cache, reading
from kernelgate.numba_cache import COPY
from kernelgate.pairing import Job, Row
from kernelgate.reading import ARMS, Side
from kernelgate.structure import kept
from kernelgate.structure.kept import Kept
from kernelgate.user_cache import KEPT_SECONDS

SPEC = """
from kernelgate.kernel import Kernel, Work

KERNEL = Kernel(
    inputs=lambda rng, dtype, n: (rng.standard_normal(n).astype(dtype),),
    work=lambda itemsize, n: Work(flops=n, bytes=2 * n * itemsize),
    cases={"small": {"n": 20}, "large": {"n": 20000}},
    domain={"n": (1, 5)},
    ulps={"f32": 1},
    dtypes={"*": ("f32",)},
)
"""
FILES = {
    "__init__": "",
    "shared": "FACTOR = 2\n",
    "double/__init__": "",
    "double/spec": SPEC,
    "double/reference": "def double(x):\n    return x * 2\n",
    "double/numpy_shared": "from ..shared import FACTOR\n\n\ndef double(x):\n    return x * FACTOR\n",
    "double/jax_plain": "import jax\n\n\n@jax.jit\ndef double(x):\n    return x * 2\n",
    "double/jax_counted": """
import jax
from pathlib import Path


@jax.jit
def double(x):
    with (Path(__file__).parents[2] / "traced").open("a") as file:
        file.write("once more\\n")
    return x * 2
""",
    "double/numpy_talking": "print('spoken')\n\n\ndef double(x):\n    return x * 2\n",
    "double/numpy_broken": "raise ValueError('broken')\n",
    "double/numpy_deadly": "import os\n\nos._exit(3)\n",
}
PACKAGES = {arm: (f"{COPY}_{arm}_reading",) for arm in ("base", "control", "head")}
SIDES = {arm: Side(arm) for arm in ARMS}


def rows(*names):
    return tuple(Row("double", "kernel", name, case, "f32", "cpu") for name in names for case in ("small", "large"))


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A comparison of two equal packages, in a home of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(numba_cache.ROOT, str(tmp_path / "numba"))
    for (name,) in PACKAGES.values():
        (tmp_path / name / "double").mkdir(parents=True)
        for file, text in FILES.items():
            (tmp_path / name / f"{file}.py").write_text(text)
    return Job(str(tmp_path), PACKAGES, rows("reference", "numpy_shared"), seed=1, threads=2, seconds=0.0)


def read(job, sides=SIDES):
    """Figures, or what was the problem, by row and arm."""
    return {
        (line["row"], line["arm"]): line.get("figures", line.get("problem")) for line in reading.read_all(job, sides)
    }


def test_both_sides_are_read_and_equal_code_has_equal_figures(job):
    found = read(job)
    assert {arm for _, arm in found} == set(ARMS)
    assert len(found) == 2 * len(job.rows)
    assert found["double-numpy_shared-large-f32-cpu", "head"]["result bytes"] == 80000
    assert all(figures == found[row, "head"] for (row, _), figures in found.items())


def test_what_stays_as_it_is_is_read_once(job, tmp_path, monkeypatch):
    first, asked = read(job), []
    inner = reading._read
    monkeypatch.setattr(
        reading, "_read", lambda side, left, *rest: asked.append((side.arm, left.rows)) or inner(side, left, *rest)
    )
    assert read(job) == first
    assert asked == []
    (tmp_path / PACKAGES["head"][0] / "shared.py").write_text("FACTOR = 2.0\n")
    assert read(job).keys() == first.keys()
    assert [(arm, {row.impl for row in left}) for arm, left in asked] == [("head", {"numpy_shared"})]
    # What another interpreter compiled is not what this one would.
    asked.clear()
    read(
        job,
        {"base": Side("base", os.path.realpath(SIDES["base"].interpreter), {"PYTHONPATH": os.pathsep.join(sys.path)})},
    )
    assert {arm for arm, _ in asked} == {"base"}


@pytest.mark.parametrize("sides", [SIDES, {"base": SIDES["base"]}])
def test_no_processor_is_idle_while_another_reads(job, monkeypatch, sides):
    """A process takes a second by itself: two sides of a kernel are one each, a side alone is one an implementation."""
    asked, inner = [], reading._read
    monkeypatch.setattr(reading, "_read", lambda side, left, *rest: asked.append(left.rows) or inner(side, left, *rest))
    assert read(job, sides).keys() == {(str(row), arm) for row in job.rows for arm in sides}
    assert len(asked) == 2
    assert {row for rows in asked for row in rows} == set(job.rows)


def test_both_sides_of_a_kernel_are_read_one_after_the_other():
    """Time may end, and a side alone tells nothing."""
    asked = [replace(row, kernel=kernel) for kernel in ("b", "a", "c") for row in rows("reference")]
    chunks = reading._chunks([(side, asked) for side in SIDES.values()], 2)
    assert [(side.arm, {row.kernel for row in found}) for side, found in chunks] == [
        (arm, {kernel}) for kernel in ("a", "b", "c") for arm in ARMS
    ]


def test_a_row_that_is_being_read_when_time_ends_is_given_up(job, monkeypatch):
    asked = []
    monkeypatch.setattr(reading, "results", lambda job, command, variables, until: asked.append(until) or [])
    list(reading.read_all(job, SIDES, until := time.monotonic() + 0.2))
    assert set(asked) == {until}


def test_what_time_is_over_for_is_not_read(job, monkeypatch):
    monkeypatch.setattr(reading, "results", lambda *arguments: pytest.fail("begun"))
    assert list(reading.read_all(job, SIDES, until=time.monotonic() - 1)) == []


def test_a_row_is_told_when_it_is_read_and_not_when_all_of_its_kernel_are(job, monkeypatch):
    """Reading the rows of a model takes minutes, in which one wants to see that it goes on."""
    seen = threading.Event()

    def told_one_by_one(side, left, tell, until):
        for row in left.rows:
            tell({"row": str(row), "arm": side.arm, "problem": "none"})
            assert seen.wait(60), "the first row was not told before the last was read"

    monkeypatch.setattr(reading, "_read", told_one_by_one)
    for _ in reading.read_all(job, {"head": Side("head")}):
        seen.set()


def test_a_failure_to_read_is_raised(job, monkeypatch):
    def failing(side, left, tell, until):
        raise RuntimeError("no such interpreter")

    monkeypatch.setattr(reading, "_read", failing)
    with pytest.raises(RuntimeError, match="no such interpreter"):
        list(reading.read_all(job, {"head": Side("head")}))


def test_what_cannot_be_read_says_why_and_hinders_no_other(job):
    found = read(replace(job, rows=rows("numpy_broken", "numpy_deadly", "reference")))
    assert found["double-numpy_broken-small-f32-cpu", "base"] == "ValueError: broken"
    assert found["double-numpy_deadly-small-f32-cpu", "head"] == "the process died with exit status 3"
    assert found["double-reference-large-f32-cpu", "head"]["result dtype"] == "float32"
    assert len(found) == 12


def test_what_measured_code_prints_is_told_and_is_no_result(job, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    asked = replace(job, rows=rows("numpy_talking")).to_json() + "\n"
    command = [sys.executable, "-m", "kernelgate.pairing"]
    ran = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    assert "spoken" in ran.stderr
    assert [json.loads(line).keys() & {"begun", "head"} for line in ran.stdout.splitlines()] == [
        {"begun"},
        {"head"},
    ] * 2


@needs_jax
def test_what_jax_compiles_is_compiled_once_to_be_read(job, tmp_path):
    """It is most of what reading takes: a model's programs take seconds."""
    asked = rows("jax_counted")
    found = read(replace(job, rows=asked), {"head": Side("head")})
    assert [found[str(row), "head"]["programs"] for row in asked] == [1, 1]
    assert (tmp_path / "traced").read_text().count("once more") == len(asked)


@needs_jax
def test_figures_are_of_programs_that_were_compiled_and_not_found_on_disk(job, tmp_path, monkeypatch):
    folder = tmp_path / "jax"
    folder.mkdir()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    found = read(replace(job, rows=rows("jax_plain")))
    assert found["double-jax_plain-small-f32-cpu", "head"]["programs"] == 1
    assert not list(folder.iterdir())


def test_figures_are_kept_by_all_that_they_follow_from_and_by_no_name(job, tmp_path, monkeypatch):
    base, head = (tmp_path / PACKAGES[arm][0] for arm in ARMS)
    asked = ("double", "numpy_shared", "row")
    Kept(base, (1,)).write(*asked, {"a": 1})
    assert Kept(head, (1,)).read(*asked) == {"a": 1}
    assert Kept(head, (2,)).read(*asked) is None
    assert Kept(head, (1,)).read("double", "reference", "row") is None
    assert Kept(head, (1,)).read("double", "numpy_shared", "other") is None
    with monkeypatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_cpu_use_thunk_runtime=false")
        kept._surroundings.cache_clear()
        assert Kept(head, (1,)).read(*asked) is None
    kept._surroundings.cache_clear()
    (head / "data.txt").write_text("that any of them may read")
    assert Kept(head, (1,)).read(*asked) is None


def test_figures_are_kept_by_all_that_reads_them(job):
    """A file that reads and is not counted would leave figures of its former state."""
    script = """
import sys
from kernelgate import reading
sys.argv[1:] = ["head"]
reading.main()
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("kernelgate.")), file=sys.stderr)
"""
    asked = replace(job, rows=rows("numpy_shared")).to_json() + "\n"
    ran = subprocess.run([sys.executable, "-c", script], input=asked, capture_output=True, text=True, check=True)
    loaded = {Path(file) for file in ran.stderr.split()}
    assert Path(reading.__file__) in loaded
    assert loaded <= kept.readers()
    assert Path(gate.__file__) not in kept.readers()


def test_what_nobody_asked_for_in_a_month_goes_and_what_is_asked_for_stays(job, tmp_path):
    package = tmp_path / PACKAGES["base"][0]
    for row in ("old", "asked"):
        Kept(package, ()).write("double", "reference", row, {})
    for file in Kept(package, ()).folder.iterdir():
        os.utime(file, (0, time.time() - KEPT_SECONDS + 60))
    assert Kept(package, ()).read("double", "reference", "asked") == {}
    for file in Kept(package, ()).folder.iterdir():
        os.utime(file, (0, file.stat().st_mtime - 120))
    assert Kept(package, ()).read("double", "reference", "old") is None
    assert Kept(package, ()).read("double", "reference", "asked") == {}

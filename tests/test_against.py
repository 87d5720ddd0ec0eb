"""`pytest --against REF` as its users type it, in a small repository that is not ours, made on the fly."""

import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import pytest
from plugin_project import ALONE

from kernelgate.against import without_remarks
from kernelgate.gate_plugin import GatePlugin
from kernelgate.merge import merge

SPEC = """
import numpy as np
from kernelgate.kernel import Kernel, Work

KERNEL = Kernel(
    inputs=lambda rng, dtype, n: (rng.standard_normal(n).astype(dtype),),
    work=lambda itemsize, n: Work(flops=n, bytes=2 * n * itemsize),
    cases={"large": {"n": 20000}},
    domain={"n": (1, 5)},
    ulps={"f32": 1},
    dtypes={"reference": ("f32",), "numpy": ("f32",)},
)
"""
QUICK = "def {name}(x):\n    return x * 2\n"
SLOW = "def {name}(x):\n    x * 2\n    return x * 2\n"
SETTINGS = """[pytest]
kernels = sums
pythonpath = .
filterwarnings = error
addopts = -p pytest_benchmark.plugin -p kernelgate.plugin -p no:cacheprovider
"""


class Repository:
    """A git repository with a package `sums` of two kernels, `double` and `twice`."""

    def __init__(self, root):
        self.root, self.package = root, root / "sums"
        for kernel in ("double", "twice"):
            folder = self.package / kernel
            folder.mkdir(parents=True)
            (folder / "__init__.py").touch()
            (folder / "spec.py").write_text(SPEC)
            (folder / "reference.py").write_text(QUICK.format(name=kernel))
        (self.package / "__init__.py").touch()
        self.write("double/numpy_plain.py", QUICK)
        (root / "test_fast.py").write_text(
            "def test_kernel(measure):\n    measure()\n\ndef test_else():\n    assert 0\n"
        )
        (root / "pytest.ini").write_text(SETTINGS)
        (root / ".gitignore").write_text("__pycache__/\n.kernelgate/\ncache/\n")
        self.git("init", "-q", "-b", "main")
        self.commit()

    def write(self, file, text):
        (self.package / file).write_text(text.format(name=file.partition("/")[0]))

    def git(self, *arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "state")

    def start(self, *arguments, cwd=None, variables=None):
        command = [sys.executable, "-m", "pytest", "--backend", "numpy", *arguments]
        own = {"KERNELGATE_NUMBA_CACHE": str(self.root / "cache"), "COLUMNS": "200"}
        return subprocess.Popen(
            command,
            cwd=cwd or self.root,
            env={**os.environ, **ALONE, **own, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pytest(self, *arguments, **surroundings):
        """Exit status and output of a run."""
        process = self.start(*arguments, **surroundings)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def test_a_slower_implementation_fails_by_name_and_nothing_else_does(repository):
    repository.write("double/numpy_plain.py", SLOW)
    before = repository.git("status", "--porcelain")
    report = repository.root.parent / f"{repository.root.name}-report"
    junit = report.with_suffix(".xml")
    status, output = repository.pytest("--against", "+", "--gate-report", str(report), f"--junit-xml={junit}", "-v")
    assert status == pytest.ExitCode.TESTS_FAILED, output
    assert "FAILED test_fast.py::test_kernel[double-numpy_plain-large-f32-cpu]" in output
    assert "1 failed, 2 passed, 1 deselected" in output
    assert "double-numpy_plain-large-f32-cpu: FAIL, +" in junit.read_text()
    document = json.loads((report / "gate.json").read_text())
    assert document["schema"] == 1
    slow, *others = document["rows"]
    assert (slow["row"], slow["verdict"]) == ("double-numpy_plain-large-f32-cpu", "FAIL")
    # Of these no file is changed.
    assert [(row["verdict"], row["reason"].split(" (")[0], row["head"]) for row in others] == [
        ("PASS", "runs no code but that of +", [])
    ] * 2
    assert "| FAIL | double-numpy_plain-large-f32-cpu |" in (report / "gate.md").read_text()
    assert repository.git("status", "--porcelain") == before


def test_new_and_missing_are_told_and_strictly_fail(repository):
    repository.write("double/numpy_other.py", QUICK)
    (repository.package / "double" / "numpy_plain.py").unlink()
    chosen = ("--against", "main", "-k", "numpy")
    status, output = repository.pytest(*chosen)
    assert status == pytest.ExitCode.OK, output
    assert "NEW" in output
    assert "MISSING" in output
    assert "double-numpy_plain" in output
    assert repository.pytest(*chosen, "--gate-strict")[0] == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("changed", "measured"),
    [
        ("shared.py", {"twice-numpy_shared"}),
        ("double/__init__.py", {"double-reference", "double-numpy_plain"}),
        # Both sides are measured by head's contract.
        ("double/spec.py", set()),
    ],
)
def test_changed_measures_what_runs_changed_files_only(repository, changed, measured):
    repository.write("shared.py", "")
    repository.write("twice/numpy_shared.py", "from ..shared import *\n" + QUICK)
    repository.commit()
    with (repository.package / changed).open("a") as file:
        file.write("CHANGED = 1\n")
    _, output = repository.pytest("--against", "main", "--changed", "--collect-only", "-q")
    found = {line for line in output.splitlines() if "::" in line}
    assert found == {f"test_fast.py::test_kernel[{row}-large-f32-cpu]" for row in measured}


REMARKED = """

# Said in other words.
def {name}(x):
    '''Twice'''
    return (x * 2)
"""


@pytest.mark.parametrize(
    ("text", "measured"),
    [(REMARKED, set()), (QUICK.replace("2", "2.0"), {"numpy_plain"}), ("@property\n" + QUICK, {"numpy_plain"})],
)
def test_remarks_are_no_change(repository, text, measured):
    repository.write("double/numpy_plain.py", text)
    _, output = repository.pytest("--against", "main", "--changed", "--collect-only", "-q")
    rows = {f"test_fast.py::test_kernel[double-{impl}-large-f32-cpu]" for impl in measured}
    assert {line for line in output.splitlines() if "::" in line} == rows


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [
        ("x = 1", "x = (1)  # one", True),
        ("def f():\n    return 1", "def f():\n    'One.'\n    return 1", True),
        ("class A:\n    'One.'", "class A:\n    'Two.'", True),
        # A text that is no docstring may be what is computed.
        ("x = 'One.'", "x = 'Two.'", False),
        ("def f():\n    1\n    'One.'", "def f():\n    1\n    'Two.'", False),
        ("x = 1", "x = 1.0", False),
        ("x = 1", "x = True", False),
        ("def f(x: int): 0", "def f(x: float): 0", False),
        # What is no Python is compared as it is written.
        ("def # one", "def # two", False),
        ("x = '\0'", "x = '\0'", True),
    ],
)
def test_what_runs_is_compared_and_not_what_is_said_about_it(before, after, alike):
    assert (without_remarks(before.encode()) == without_remarks(after.encode())) is alike


def bind_by_a_loop(repository):
    """As the loop over tokens of a model, which no implementation imports."""
    (repository.package / "loop.py").write_text("def run(function, x):\n    return function(x)\n")
    bound = SPEC.replace("import numpy", "from functools import partial\nfrom ..loop import run\nimport numpy", 1)
    bound = bound.replace("Kernel(\n", "Kernel(\n    bind=lambda module, x: partial(run, module.double, x),\n", 1)
    (repository.package / "double" / "spec.py").write_text(bound)


def test_what_a_spec_binds_is_each_sides_own(repository):
    bind_by_a_loop(repository)
    repository.commit()
    (repository.package / "loop.py").write_text("def run(function, x):\n    function(x)\n    return function(x)\n")
    status, output = repository.pytest("--against", "main", "--changed", "-v")
    assert status == pytest.ExitCode.TESTS_FAILED, output
    assert "2 failed, 2 deselected" in output


@pytest.mark.parametrize(
    ("changed", "measured"),
    [
        ("loop.py", True),
        ("calls.py", True),
        # Whoever imports what is bound could come to bind another.
        ("operations.py", True),
        ("double/spec.py", True),
        # By it both sides have the same inputs.
        ("drawing.py", False),
    ],
)
def test_of_a_spec_what_it_binds_counts_and_not_what_it_draws_by(repository, changed, measured):
    bind_by_a_loop(repository)
    files = {
        "calls.py": "from .loop import run\n\ndef call(module, x):\n    return lambda: run(module.double, x)\n",
        "operations.py": "from .calls import call\n\nOPTIONS = {'bind': call}\n",
        "drawing.py": "def drawn(rng, dtype, n):\n    return (rng.standard_normal(n).astype(dtype),)\n",
    }
    for name, text in files.items():
        (repository.package / name).write_text(text)
    spec = "".join(line for line in SPEC.splitlines(keepends=True) if "inputs=" not in line)
    spec = spec.replace("Kernel(\n", "Kernel(\n    inputs=drawn,\n    **OPTIONS,\n")
    imports = "from ..drawing import drawn\nfrom ..operations import OPTIONS\n"
    (repository.package / "double" / "spec.py").write_text(imports + spec)
    repository.commit()
    with (repository.package / changed).open("a") as file:
        file.write("CHANGED = 1\n")
    _, output = repository.pytest("--against", "main", "--changed", "--collect-only", "-q")
    rows = sum(line.startswith("test_fast.py::test_kernel[double-") for line in output.splitlines())
    assert rows == (2 if measured else 0), output


def test_what_base_does_not_bind_cannot_be_compared(repository):
    bind_by_a_loop(repository)
    status, output = repository.pytest("--against", "main", "-k", "double-numpy", "-v")
    assert status == pytest.ExitCode.OK, output
    assert "1 INCONCLUSIVE" in output
    assert "double/spec.py binds no kernel: expected bind, as head has it" in output


@pytest.mark.parametrize("chosen", [("--changed",), ("--shard", "4/4")])
def test_where_nothing_is_left_to_judge_nothing_is_wrong(repository, chosen, tmp_path):
    with (repository.package / "double" / "spec.py").open("a") as file:
        file.write("CHANGED = 1\n")
    status, output = repository.pytest("--against", "main", *chosen, "--gate-report", str(tmp_path / "one"))
    assert status == pytest.ExitCode.OK, output
    assert "nothing to judge" in output
    assert "double/spec.py changed: both sides have head's inputs" in output
    assert json.loads((tmp_path / "one" / "gate.json").read_text())["rows"] == []
    assert merge([tmp_path / "one"]).outcomes == ()
    (repository.package / "double" / "numpy_plain.py").unlink()
    assert "1 MISSING" in repository.pytest("--against", "main", *chosen)[1]
    # But who asks for what is not there is told so.
    assert repository.pytest("--against", "main", "-k", "nonsense")[0] == pytest.ExitCode.NO_TESTS_COLLECTED


def test_shards_share_the_rows_out(repository):
    def listed(*arguments):
        _, output = repository.pytest("--against", "main", "--collect-only", "-q", *arguments)
        return [line for line in output.splitlines() if "::" in line]

    assert sorted(listed("--shard", "1/2") + listed("--shard", "2/2")) == sorted(listed())
    assert len(listed("--shard", "1/2")) == 2


def test_a_kill_loses_nothing(repository):
    journal = repository.root / ".kernelgate" / "journal.jsonl"
    for file in repository.package.glob("*/__init__.py"):
        file.write_text("CHANGED = 1\n")
    process = repository.start("--against", "main")
    deadline = time.monotonic() + 120
    while not journal.exists() or journal.read_text().count('"head"') < 4:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = [line for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
    status, output = repository.pytest("--against", "main", "--resume")
    assert status == pytest.ExitCode.OK, output
    lines = journal.read_text().splitlines(keepends=True)
    assert lines[: len(kept)] == kept
    measured = [(line["stage"], line["process"], line["row"]) for line in map(json.loads, lines) if "row" in line]
    assert len(measured) == len(set(measured))


def test_what_was_measured_of_other_code_is_not_gone_on_with(repository):
    for factor in ("2.0", "2.00"):
        repository.write("double/numpy_plain.py", QUICK.replace("2", factor))
        resume = [] if factor == "2.0" else ["--resume"]
        status, output = repository.pytest("--against", "main", "--changed", "--budget", "1s", *resume)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "run without --resume" in output


def test_a_budget_that_ends_first_says_how_to_go_on(repository):
    journal = repository.root / ".kernelgate" / "journal.jsonl"
    repository.write("double/numpy_plain.py", "CHANGED = 1\n" + QUICK)
    # That nothing is slower by nothing at all takes for ever to show.
    chosen = ("--against", "main", "--changed", "--margin", "0%")
    status, output = repository.pytest(*chosen, "--budget", "1s")
    assert status == pytest.ExitCode.OK, output
    assert "the budget ended first: --resume with a longer --budget goes on" in output
    kept = journal.read_text()
    repository.pytest(*chosen, "--budget", "15s", "--resume")
    assert journal.read_text().startswith(kept)
    assert len(journal.read_text()) > len(kept)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 600), ({"changed": True}, 40), ({"changed": True, "budget": 120.0}, 120), ({"budget": 1.0}, 1)],
)
def test_who_waits_for_what_is_changed_is_answered_sooner(given, seconds):
    plugin = object.__new__(GatePlugin)
    plugin.config = SimpleNamespace(getoption=given.get)
    assert plugin._budget() == seconds


def test_code_that_cannot_be_compared_says_which_side_and_why(repository):
    repository.write("double/numpy_plain.py", "import nonsense\n")
    repository.commit()
    repository.write("double/numpy_plain.py", QUICK)
    status, output = repository.pytest("--against", "+", "-k", "numpy_plain")
    assert status == pytest.ExitCode.OK, output
    assert "not comparable" in output
    assert "No module named 'nonsense'" in output
    repository.commit()
    repository.write("double/numpy_plain.py", "def double(x):\n    raise ValueError('broken now')\n")
    status, output = repository.pytest("--against", "+", "-k", "numpy_plain")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "not comparable: head: ValueError: broken now" in output


def test_changed_dependencies_are_told(repository):
    (repository.root / "constraints.txt").write_text("numpy==1.0\nscipy==1.0\n")
    repository.commit()
    (repository.root / "constraints.txt").write_text("numpy==2.0\nscipy==1.0\n")
    _, output = repository.pytest("--against", "+", "-k", "numpy_plain")
    assert "the lock file changed: numpy 1.0 -> 2.0" in output


class Factor:
    """A package that the kernel imports: version 2.0, which head has, takes longer than 1.0 to give the same number."""

    def __init__(self, root, repository):
        self.root, self.wheels = root, root / "wheels"
        self.wheels.mkdir()
        for version, work in (("1.0", "2"), ("2.0", "(x * 2 * x * 2, 2)[1]")):
            # By hand: there is no network in a test, and building a wheel takes one.
            info = f"factor-{version}.dist-info"
            wheel = self.wheels / f"factor-{version}-py3-none-any.whl"
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.writestr("factor.py", f"def two(x):\n    return {work}\n")
                archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: factor\nVersion: {version}\n")
                archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                archive.writestr(f"{info}/RECORD", "")
                archive.extractall(root / version)
        repository.write("double/numpy_plain.py", "from factor import two\n\ndef {name}(x):\n    return x * two(x)\n")
        (repository.root / "constraints.txt").write_text("factor==1.0\nnumpy==1.0\n")
        repository.commit()
        (repository.root / "constraints.txt").write_text("factor==2.0\nnumpy==1.0\n")
        self.variables = {
            "PYTHONPATH": str(root / "2.0"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "XDG_CACHE_HOME": str(root / "home"),
        }


@pytest.fixture
def factor(tmp_path_factory, repository):
    return Factor(tmp_path_factory.mktemp("factor"), repository)


def interpreter(folder, *beside):
    """A virtual environment that sees no package but those of the folders given."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (library,) = folder.glob("lib/python*/site-packages")
    (library / "beside.pth").write_text("\n".join(map(str, beside)))
    return folder / "bin" / "python"


IN_BASES_OWN = ("--against", "+", "-k", "double and numpy", "--budget", "1s")


def slowdown(repository, *arguments, variables):
    """How many times slower than base head seems, and the output of the run."""
    report = repository.root / "cache" / "report"
    status, output = repository.pytest(*IN_BASES_OWN, *arguments, f"--gate-report={report}", variables=variables)
    assert status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), output
    (row,) = json.loads((report / "gate.json").read_text())["rows"]
    return math.exp(sum(row["head"]) / len(row["head"])), output


def test_base_is_measured_in_the_environment_that_is_named(repository, factor):
    installed = [path for path in sys.path if path.endswith("site-packages")]
    python = interpreter(factor.root / "environment", factor.root / "1.0", *installed)
    ratio, output = slowdown(repository, f"--against-env={python}", variables=factor.variables)
    assert ratio > 1.5, output
    assert f"ran in the environment of {python}" in output


def test_base_is_measured_in_an_environment_that_is_built_from_its_lock_file(repository, factor):
    ratio, output = slowdown(repository, "--against-env", variables=factor.variables)
    assert ratio > 1.5, output
    assert "with factor==1.0" in output
    assert "in an environment with its own lock file's versions" in output
    (built,) = (factor.root / "home" / "kernelgate" / "environments").iterdir()
    assert next(built.glob("lib/python*/site-packages/factor.py")).read_text().endswith("return 2\n")


def test_an_environment_that_cannot_be_had_is_told_in_one_line(repository, factor):
    def complaint(*arguments):
        status, output = repository.pytest(*IN_BASES_OWN, *arguments, variables=factor.variables)
        assert status == pytest.ExitCode.USAGE_ERROR, output
        assert "Traceback" not in output
        (line,) = (line for line in output.splitlines() if "--against-env" in line)
        return line

    assert "no such interpreter" in complaint("--against-env=/nowhere/python")
    assert "it lacks numpy, ml_dtypes" in complaint(f"--against-env={interpreter(factor.root / 'empty')}")
    (factor.wheels / "factor-1.0-py3-none-any.whl").unlink()
    assert "could not make factor==1.0: ERROR: No matching distribution found" in complaint("--against-env")
    assert not list((factor.root / "home" / "kernelgate" / "environments").iterdir())
    repository.git("rm", "-q", "--cached", "constraints.txt")
    repository.git("commit", "-q", "-m", "without a lock file")
    assert "has no lock file constraints.txt" in complaint("--against-env")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--against", "nowhere"], "--against nowhere: no such commit here; expected a branch, tag or commit"),
        (["--against", "empty"], "has no package sums/"),
        (["--against", "main", "--resume"], "there is no journal"),
        (["--against", "main", "--margin", "much"], "'much' is no margin"),
        (["--against", "main", "--budget", "long"], "'long' is no time"),
        (["--against", "main", "--shard", "3/2"], "'3/2' is no shard"),
    ],
)
def test_a_comparison_that_cannot_be_made_says_so_in_one_line(repository, arguments, complaint):
    repository.git("checkout", "-q", "--orphan", "empty")
    repository.git("rm", "-rq", "--cached", ".")
    repository.git("commit", "-q", "--allow-empty", "-m", "nothing")
    repository.git("checkout", "-qf", "main")
    status, output = repository.pytest(*arguments)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert sum(complaint in line for line in output.splitlines()) == 1
    assert "Traceback" not in output


def test_a_shallow_clone_is_told_to_fetch(repository, tmp_path_factory):
    first = repository.git("rev-parse", "HEAD").strip()
    repository.commit()
    clone = tmp_path_factory.mktemp("clone")
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.root}", str(clone))
    status, output = repository.pytest("--against", first, cwd=clone)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "this clone is shallow: git fetch --unshallow" in output


def test_a_folder_that_is_no_repository_is_told_so(repository, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy")
    subprocess.run(["cp", "-r", "sums", "test_fast.py", "pytest.ini", copy], cwd=repository.root, check=True)
    status, output = repository.pytest("--against", "main", cwd=copy)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "is in no git repository" in output


def test_what_changed_in_structure_fails_whatever_the_clock_says(repository):
    repository.write(
        "double/numpy_plain.py", "def {name}(x):\n    y = (x + x).astype('float64')\n    return y.astype(x.dtype)\n"
    )
    status, output = repository.pytest("--against", "+", "-k", "numpy_plain", "--margin", "99%")
    assert status == pytest.ExitCode.TESTS_FAILED, output
    assert "peak temporary bytes" in output

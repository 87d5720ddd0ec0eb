"""`pytest --against REF` as its users type it, in a small repository that is not ours, made on the fly."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

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
addopts = -p no:jaxtyping -p no:cacheprovider
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

    def start(self, *arguments, cwd=None):
        command = [sys.executable, "-m", "pytest", "--backend", "numpy", *arguments]
        return subprocess.Popen(
            command,
            cwd=cwd or self.root,
            env=os.environ | {"NUMBA_CACHE_DIR": str(self.root / "cache"), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pytest(self, *arguments, cwd=None):
        """Exit status and output of a run."""
        process = self.start(*arguments, cwd=cwd)
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
    verdicts = {row["row"]: row["verdict"] for row in document["rows"]}
    assert document["schema"] == 1
    assert verdicts.pop("double-numpy_plain-large-f32-cpu") == "FAIL"
    assert set(verdicts.values()) <= {"PASS", "INCONCLUSIVE"}
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


def test_changed_measures_what_runs_changed_files_only(repository):
    repository.write("double/shared.py", "")
    (repository.package / "double" / "shared.py").rename(repository.package / "shared.py")
    repository.write("twice/numpy_shared.py", "from ..shared import *\n" + QUICK)
    repository.commit()
    (repository.package / "shared.py").write_text("# a change\n")
    _, output = repository.pytest("--against", "main", "--changed", "--collect-only", "-q")
    assert [line for line in output.splitlines() if "::" in line] == [
        "test_fast.py::test_kernel[twice-numpy_shared-large-f32-cpu]"
    ]


def test_shards_share_the_rows_out(repository):
    def listed(*arguments):
        _, output = repository.pytest("--against", "main", "--collect-only", "-q", *arguments)
        return [line for line in output.splitlines() if "::" in line]

    assert sorted(listed("--shard", "1/2") + listed("--shard", "2/2")) == sorted(listed())
    assert len(listed("--shard", "1/2")) == 2


def test_a_kill_loses_nothing(repository):
    journal = repository.root / ".kernelgate" / "journal.jsonl"
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

"""`pytest --against REF` as its users type it, in a small repository that is not ours, made on the fly."""

import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from gated_repository import QUICK, SLOW, Repository


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

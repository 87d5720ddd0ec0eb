"""The wheel in an empty environment gates a small repository that is not ours, with kernels of its own."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from gated_repository import SPEC

pytest.importorskip("hatchling", reason="needs pip install 'kernelgate[dev]'")

ROOT = Path(__file__).parent.parent
KERNELS = {"negated": "-x", "halved": "x * np.float32(0.5)"}
BODY = "import numpy as np\n\n\ndef {name}(x):\n    {before}return {result}\n"
TESTS = """
from kernelgate.equivalence import prove

def test_kernel(subject):
    prove(subject)
"""
BENCHMARKS = "def test_kernel(measure):\n    measure()\n"
SETTINGS = """[pytest]
kernels = my_kernels
pythonpath = .
filterwarnings = error
addopts = -p no:jaxtyping -p no:cacheprovider
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment that holds the wheel, and nothing else but a way to its dependencies.

    They come from this environment, since there may be no network. What is installed here besides, such as our own
    working tree, comes after the wheel, and a path file of this environment is not followed.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel], check=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    here = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (own / "dependencies.pth").write_text("".join(f"{path}\n" for path in here))
    return python


class Foreign:
    """A repository with a package `my_kernels` of two kernels."""

    def __init__(self, root, python):
        self.root, self.python = root, python
        for name, result in KERNELS.items():
            folder = root / "my_kernels" / name
            folder.mkdir(parents=True)
            (folder / "__init__.py").touch()
            (folder / "spec.py").write_text(SPEC)
            for file in ("reference", "numpy_plain"):
                self.write(f"{name}/{file}.py", name, result)
        (root / "my_kernels" / "__init__.py").touch()
        (root / "test_equal.py").write_text(TESTS)
        (root / "test_fast.py").write_text(BENCHMARKS)
        (root / "pytest.ini").write_text(SETTINGS)
        (root / ".gitignore").write_text("__pycache__/\n.kernelgate/\n.hypothesis/\n.benchmarks/\ncache/\n")
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "first")):
            subprocess.run(["git", *identity, *arguments], cwd=root, check=True)

    def write(self, file, name, result, before=""):
        (self.root / "my_kernels" / file).write_text(BODY.format(name=name, result=result, before=before))

    def run(self, *arguments):
        # No way back to the working tree, by PYTHONPATH or otherwise.
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OMP_", "OPENB"))}
        return subprocess.run(
            [self.python, *arguments],
            cwd=self.root,
            env=clean | {"KERNELGATE_NUMBA_CACHE": str(self.root / "cache"), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=240,
        )

    def pytest(self, *arguments):
        return self.run("-m", "pytest", "--backend", "numpy", *arguments)

    def gate(self, *arguments):
        """The exit status, and the verdicts by row."""
        report = self.root.parent / "report"
        shutil.rmtree(report, ignore_errors=True)
        # Margin and budget are such that neither a machine's mood nor its speed matters.
        quick = ("--margin", "10%", "--budget", "20s", "--gate-report", str(report))
        run = self.pytest("--against", "main", *quick, *arguments)
        assert (report / "gate.json").exists(), run.stdout + run.stderr
        rows = json.loads((report / "gate.json").read_text())["rows"]
        return run, {row["row"]: row["verdict"] for row in rows}


@pytest.fixture
def foreign(tmp_path, python):
    return Foreign(tmp_path / "repository", python)


def test_the_wheel_is_what_runs(foreign, python):
    found = foreign.run("-c", "import kernelgate, numpy; print(kernelgate.__file__); print(numpy.__file__)").stdout
    ours, numpy = map(Path, found.splitlines())
    assert ours.is_relative_to(python.parent.parent), found
    assert not numpy.is_relative_to(python.parent.parent)
    assert foreign.run("-c", "import impls").returncode == 1
    versions = "from importlib.metadata import distribution as d; print(d('kernelgate').read_text('direct_url.json'))"
    assert json.loads(foreign.run("-c", versions).stdout)["url"].endswith(".whl")


def test_its_kernels_are_proved_and_timed(foreign):
    run = foreign.pytest("--benchmark-disable")
    assert run.returncode == 0, run.stdout
    assert "8 passed" in run.stdout
    foreign.write("halved/numpy_plain.py", "halved", "x * np.float32(0.51)")
    run = foreign.pytest("--benchmark-disable")
    assert run.returncode == 1
    assert "off by" in run.stdout


def test_a_slowdown_fails_and_what_did_not_change_does_not(foreign):
    foreign.write("negated/numpy_plain.py", "negated", "-x", before="-x\n    -x\n    -x\n    ")
    run, verdicts = foreign.gate()
    assert run.returncode == 1, run.stdout
    assert verdicts.pop("negated-numpy_plain-large-f32-cpu") == "FAIL"
    assert "FAILED test_fast.py::test_kernel[negated-numpy_plain-large-f32-cpu]" in run.stdout
    assert len(verdicts) == 3
    assert set(verdicts.values()) <= {"PASS", "INCONCLUSIVE"}
    run, verdicts = foreign.gate("--changed")
    assert list(verdicts) == ["negated-numpy_plain-large-f32-cpu"]


def test_an_unchanged_tree_is_green_and_an_unknown_commit_a_usage_error(foreign):
    run, verdicts = foreign.gate("-k", "numpy")
    assert run.returncode == 0, run.stdout
    assert len(verdicts) == 2
    assert set(verdicts.values()) <= {"PASS", "INCONCLUSIVE"}
    assert foreign.pytest("--against", "nowhere").returncode == pytest.ExitCode.USAGE_ERROR

"""A small repository that is not ours: a package `sums` of one kernel, its tests and benchmarks."""

import os
import subprocess
import sys
import xml.etree.ElementTree

SPEC = """
import numpy as np
from kernelgate.kernel import Kernel, Work

def inputs(rng, dtype, n):
    return rng.standard_normal(n).astype(dtype), rng.standard_normal(n).astype(dtype)

KERNEL = Kernel(
    inputs=inputs,
    work=lambda itemsize, n: Work(flops=n, bytes=3 * n * itemsize),
    cases={"small": {"n": 64}, "large": {"n": 4096}},
    heavy={"huge": {"n": 1 << 16}},
    domain={"n": (1, 5, 64)},
    ulps={"f32": 1, "bf16": 1},
)
"""
RIGHT = "def total(x, y):\n    return x + y\n"
TESTS = """
from kernelgate.equivalence import prove

def test_kernel(subject):
    prove(subject)
"""
BENCHMARKS = """
def test_kernel(measure):
    measure()
"""
# No plugins but those that the settings name: to load what nobody uses takes a third of a run.
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
SETTINGS = """[pytest]
kernels = sums
pythonpath = .
filterwarnings = error
addopts =
    -p pytest_benchmark.plugin -p kernelgate.plugin -p no:cacheprovider
    --benchmark-max-time=0.01 --benchmark-min-time=0.0002
"""


def failures(junit):
    """The message of each failed test of a JUnit file, by what stands in the brackets of its name."""
    cases = xml.etree.ElementTree.parse(junit).iter("testcase")
    failed = ((case.get("name"), case.find("failure")) for case in cases)
    return {name.partition("[")[2].rstrip("]"): found.get("message") for name, found in failed if found is not None}


class Project:
    """Written to `root`; `pytest` runs in it as a user would."""

    def __init__(self, root):
        self.root, self.kernels = root, root / "sums" / "total"
        self.kernels.mkdir(parents=True)
        for path in (self.kernels.parent / "__init__.py", self.kernels / "__init__.py"):
            path.touch()
        (self.kernels / "spec.py").write_text(SPEC)
        (self.kernels / "reference.py").write_text(RIGHT)
        (self.kernels / "numpy_plain.py").write_text(RIGHT)
        (root / "test_equal.py").write_text(TESTS)
        (root / "test_fast.py").write_text(BENCHMARKS)
        (root / "pytest.ini").write_text(SETTINGS)

    def run(self, *command, **environment):
        # A user's own shell: nothing of what this run was pinned to.
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "OPENBLAS_"))}
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env=clean | ALONE | {"KERNELGATE_NUMBA_CACHE": str(self.root / "cache"), "COLUMNS": "150"} | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def pytest(self, *arguments, **environment):
        return self.run("-m", "pytest", "--backend", "numpy", *arguments, **environment)

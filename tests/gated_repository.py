"""A small repository that is not ours, made on the fly, on which the gate is run as its users type it."""

import os
import subprocess
import sys

from plugin_project import ALONE

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

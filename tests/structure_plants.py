"""Implementations given as source, and what their exact figures say against each other."""

import importlib
import itertools
import json
import sys
from textwrap import dedent

import numpy as np
import pytest

from kernelgate.devices import installed
from kernelgate.kernel import DTYPES, Folder, Kernel, Work
from kernelgate.structure import compare, figures
from kernelgate.subject import Subject

needs_jax = pytest.mark.skipif(not installed("jax"), reason="needs jax")
needs_numba = pytest.mark.skipif(not installed("numba"), reason="needs numba")

ROWS, COLUMNS = 64, 256
SIZE = ROWS * COLUMNS * 4
REFERENCE = """
import numpy as np
def scaled(x):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1)
"""
KERNEL = Kernel(
    inputs=lambda rng, dtype: (rng.standard_normal((ROWS, COLUMNS)).astype(dtype),),
    work=lambda itemsize: Work(SIZE, 2 * SIZE),
    cases={"only": {}},
    domain={},
    ulps={"f32": 8},
)
names = (f"planted_{number}" for number in itertools.count())


def reader(tmp_path, monkeypatch):
    """The figures of an implementation given as source, in a package of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def read(implementation, source, kernel=KERNEL):
        package = next(names)
        folder = tmp_path / package / "scaled"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "reference.py").write_text(REFERENCE)
        (folder / f"{implementation}.py").write_text(dedent(source))
        importlib.invalidate_caches()
        subject = Subject(Folder(package, "scaled", {"kernel": kernel}), "kernel", implementation, "f32", "cpu")
        placed = subject.place(kernel.inputs(np.random.default_rng(1), DTYPES["f32"]))
        call = subject.bind(placed)
        call()
        found = figures(subject, placed, call)
        assert json.loads(json.dumps(found)) == found
        return found

    return read


def worse(base, head):
    """What became worse, by figure."""
    return {difference.figure: difference for difference in compare(base, head) if difference.worse}

"""What is compiled before a gate run: all that the cache lacks and nothing else, whatever the code is worth."""

import os
from dataclasses import replace

import pytest

from kernelgate import compiling, numba_cache
from kernelgate.numba_cache import COPY
from kernelgate.pairing import Job, Row

SPEC = """
from kernelgate.kernel import Kernel, Work

KERNEL = Kernel(
    inputs=lambda rng, dtype, n: (rng.standard_normal(n).astype(dtype),),
    work=lambda itemsize, n: Work(flops=n, bytes=2 * n * itemsize),
    cases={"small": {"n": 20}, "large": {"n": 20000}},
    domain={"n": (1, 5)},
    ulps={"f32": 1},
    dtypes={"reference": ("f32",)},
)
"""
COMPILED = """
from numba import njit

from ..shared import FACTOR


@njit("float32[::1](float32[::1])", cache=True)
def double(x):
    return x * FACTOR
"""
PACKAGES = {arm: (f"{COPY}_{arm}_compiling",) for arm in ("base", "control", "head")}
ROWS = [
    Row("double", "kernel", impl, case, "f32", "cpu")
    for impl in ("reference", "numba_plain", "numba_broken")
    for case in ("small", "large")
]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A comparison of two equal packages, whose machine code is kept in a folder of the test."""
    pytest.importorskip("numba", reason="needs pip install 'kernelgate[numba]'")
    for variable in ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES"):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
    monkeypatch.setenv(numba_cache.ROOT, str(tmp_path / "cache"))
    numba_cache.use()
    for (name,) in PACKAGES.values():
        files = {
            "__init__": "",
            "shared": "import numpy as np\n\nFACTOR = np.float32(2)\n",
            "double/__init__": "",
            "double/spec": SPEC,
            "double/reference": "def double(x):\n    return x * 2\n",
            "double/numba_plain": COMPILED,
            "double/numba_broken": COMPILED + "    return nothing_of_this_name\n\n\nraise ValueError('broken')\n",
        }
        (tmp_path / name / "double").mkdir(parents=True)
        for file, text in files.items():
            (tmp_path / name / f"{file}.py").write_text(text)
    return Job(str(tmp_path), PACKAGES, tuple(ROWS), seed=1, threads=2, seconds=0.0)


def test_what_is_not_in_the_cache_is_compiled_once_for_all_cases_and_found_again(job, tmp_path):
    wanted = compiling.uncompiled(job)
    assert sorted(map(str, wanted)) == ["double-numba_broken-small-f32-cpu", "double-numba_plain-small-f32-cpu"]
    assert list(compiling.compiled(replace(job, rows=tuple(wanted)))) == [1, 2]
    # What cannot be compiled is left for its measurement to tell.
    assert {row.impl for row in compiling.uncompiled(job)} <= {"numba_broken"}
    shared = tmp_path / PACKAGES["head"][0] / "shared.py"
    shared.write_text(shared.read_text() + "# a change\n")
    assert "numba_plain" in {row.impl for row in compiling.uncompiled(job)}

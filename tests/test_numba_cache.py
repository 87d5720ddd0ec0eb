"""Numba's cache: found again is what was made of the same sources, and nothing else."""

import importlib
import os
import sys

import pytest

from kernelgate.numba_cache import digest

ENTRY = """
from numba import njit
from .callee import doubled

@njit("float64(float64)", cache=True)
def entry(x):
    return doubled(x) + 1.0
"""
CALLEE = """
from numba import njit

@njit
def doubled(x):
    return x * {factor}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a package of two files, and gives its entry's file."""
    monkeypatch.syspath_prepend(tmp_path)

    def written(name, factor="2.0", entry=ENTRY):
        (tmp_path / name).mkdir(exist_ok=True)
        for file, text in (("__init__", ""), ("entry", entry), ("callee", CALLEE.format(factor=factor))):
            (tmp_path / name / f"{file}.py").write_text(text)
        return tmp_path / name / "entry.py"

    return written


def entry_of(name):
    pytest.importorskip("numba", reason="needs pip install 'kernelgate[numba]'")
    importlib.invalidate_caches()
    return importlib.import_module(f"{name}.entry").entry


def hits(function):
    return sum(function.stats.cache_hits.values())


def test_a_copy_finds_the_machine_code_and_a_changed_callee_does_not(write):
    factor = f"{2.0 + os.getpid() * 1e-9!r}"  # which no earlier run has left in the cache
    for name in ("cached_first", "cached_copy"):
        write(name, factor)
    write("cached_changed", f"{factor} * 2.0")
    first, copy, changed = map(entry_of, ("cached_first", "cached_copy", "cached_changed"))
    assert [hits(first), hits(copy), hits(changed)] == [0, 1, 0]
    assert first(1.0) == copy(1.0) == float(factor) + 1
    assert changed(1.0) == 2 * float(factor) + 1


def test_by_its_own_file_alone_numba_runs_what_is_no_longer_there(write, tmp_path, monkeypatch):
    """Which is why it is not asked to."""
    config = pytest.importorskip("numba", reason="needs pip install 'kernelgate[numba]'").core.config
    monkeypatch.setattr(config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    write("stale")
    entry_of("stale")
    write("stale", "5.0")
    for module in ("stale.entry", "stale.callee"):
        monkeypatch.delitem(sys.modules, module)
    assert entry_of("stale")(1.0) == 1.0 * 2.0 + 1.0


def test_a_digest_is_of_all_that_is_imported_and_of_no_name(write):
    found = {digest(write(name, factor)) for name, factor in (("one", "2.0"), ("two", "2.0"), ("three", "3.0"))}
    assert len(found) == 2
    assert digest(write("four", entry=ENTRY + "\n")) not in found


def test_a_file_of_no_package_has_no_digest(tmp_path):
    (tmp_path / "alone.py").write_text("x = 1\n")
    assert digest(tmp_path / "alone.py") is None

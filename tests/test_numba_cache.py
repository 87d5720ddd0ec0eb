"""Numba's cache: found again is what was made of the same sources, and nothing else."""

import importlib
import os
import shutil
import subprocess
import sys

import pytest

from kernelgate import numba_cache
from kernelgate.imports import closure
from kernelgate.numba_cache import COPY, digest

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
    for name in (f"{COPY}_first", f"{COPY}_second"):
        write(name, factor)
    write(f"{COPY}_changed", f"{factor} * 2.0")
    first, copy, changed = map(entry_of, (f"{COPY}_first", f"{COPY}_second", f"{COPY}_changed"))
    assert [hits(first), hits(copy), hits(changed)] == [0, 1, 0]
    assert first(1.0) == copy(1.0) == float(factor) + 1
    assert changed(1.0) == 2 * float(factor) + 1


@pytest.mark.parametrize(
    "place",
    [
        "{}",
        "if entry:\n    {}",
        "for x in ():\n    pass\nelse:\n    {}",
        "try:\n    pass\nexcept ValueError:\n    {}",
        "with entry as x:\n    {}",
        "match entry:\n    case 1:\n        {}",
        "class A:\n    def entry(self):\n        {}",
    ],
)
def test_an_import_counts_wherever_it_stands(write, tmp_path, place):
    entry = write("placed", entry=place.format("from .callee import doubled"))
    assert closure(tmp_path / "placed", entry) == {entry, *map(entry.with_name, ("callee.py", "__init__.py"))}


def test_what_packages_run_when_they_are_entered_counts(tmp_path):
    package = tmp_path / "package"
    for folder in ("", "inner", "inner/deep", "beside"):
        (package / folder).mkdir()
        (package / folder / "__init__.py").touch()
    (package / "inner" / "deep" / "callee.py").touch()
    (package / "inner" / "__init__.py").write_text("from ..beside import x\n")
    entry = package / "entry.py"
    entry.write_text("from .inner.deep.callee import f\n")
    assert {str(file.relative_to(package)) for file in closure(package, entry)} == {
        *("entry.py", "inner/deep/callee.py"),
        *("__init__.py", "inner/__init__.py", "inner/deep/__init__.py", "beside/__init__.py"),
    }


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


LOADED = """
import sys
from kernelgate import numba_cache
numba_cache.use()
sys.path.insert(0, sys.argv[1])
from {package}.entry import entry
print(entry(1.0), sum(entry.stats.cache_hits.values()))
"""


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """What `entry` of a package gives in a process of its own, and how often it was found in the cache."""
    pytest.importorskip("numba", reason="needs pip install 'kernelgate[numba]'")
    monkeypatch.setenv(numba_cache.ROOT, str(tmp_path / "cache"))

    def run(package):
        command = (sys.executable, "-c", LOADED.format(package=package), str(tmp_path))
        ran = subprocess.run(command, capture_output=True, text=True)
        return ran.stdout.split() or ran.stderr.splitlines()[-1]

    return run


@pytest.mark.parametrize(
    ("names", "hits"), [((f"{COPY}_one", f"{COPY}_two"), ["0", "1"]), (("one", "two"), ["0", "0"])]
)
def test_machine_code_outlives_a_copy_and_of_another_package_is_not_taken(names, hits, write, loaded, tmp_path):
    for package, found in zip(names, hits, strict=True):
        write(package)
        assert loaded(package) == ["3.0", found]
        shutil.rmtree(tmp_path / package)


def test_what_a_copy_does_not_hold_is_missing(write, loaded):
    write(f"{COPY}_there", entry=ENTRY + "from . import absent\n")
    assert loaded(f"{COPY}_there").startswith(f"ImportError: cannot import name 'absent' from '{COPY}_there' (")


def test_a_digest_is_of_all_that_is_imported_and_of_no_copys_name(write):
    contents = (("one", "2.0"), ("two", "2.0"), ("three", "3.0"))
    found = {digest(write(f"{COPY}_{name}", factor)) for name, factor in contents}
    assert len(found) == 2
    assert digest(write(f"{COPY}_four", entry=ENTRY + "\n")) not in found


def test_a_file_of_no_package_has_no_digest(tmp_path):
    (tmp_path / "alone.py").write_text("x = 1\n")
    assert digest(tmp_path / "alone.py") is None

"""Exact figures on disk, found by all that they follow from: what base was read for once need not be read again."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..imports import closure, content
from ..user_cache import place, tidied

# What decides besides the sources: who compiles, and what they are told.
COMPILERS = ("jax", "jaxlib", "llvmlite", "ml_dtypes", "numba", "numpy", "scipy")
SETTINGS = ("JAX_", "NUMBA_", "XLA_")
# Of these settings, what says where things lie and not what is made of them.
PLACES = ("CACHE",)
HERE = Path(__file__).parents[1]


class Kept:
    """The figures of one copy of a package; `asked` is all else that they depend on, as the threads."""

    def __init__(self, package: Path, asked: Iterable[Any]) -> None:
        self.folder = tidied(place("figures"))
        self.package, self.about = package, f"{_surroundings()} {_others(package)} {list(asked)}"

    def read(self, kernel: str, impl: str, row: str) -> dict[str, Any] | None:
        """The figures of a row, if they were written."""
        file = self._file(kernel, impl, row)
        with suppress(FileNotFoundError):
            os.utime(file)
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return found
        return None

    def write(self, kernel: str, impl: str, row: str, figures: Mapping[str, Any]) -> None:
        """Keep them, whole or not at all."""
        file = self._file(kernel, impl, row)
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(figures), encoding="utf-8")
        temporary.replace(file)

    def _file(self, kernel: str, impl: str, row: str) -> Path:
        folder = self.package / kernel
        run = closure(self.package, folder / f"{impl}.py") | closure(self.package, folder / "spec.py")
        found = hashlib.sha256(f"{self.about} {row} {content(self.package, run)}".encode())
        return self.folder / f"{found.hexdigest()}.json"


def _others(package: Path) -> str:
    """What is no Python may be read by any of them."""
    return content(
        package, (file for file in package.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc"))
    )


@functools.cache
def _surroundings() -> str:
    """Who compiles for which processor, and how; and what reads it."""
    settings = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if name.startswith(SETTINGS) and not any(place in name for place in PLACES)
    )
    return f"{_processor()} {[_version(name) for name in COMPILERS]} {settings} {content(HERE, readers())}"


def readers() -> set[Path]:
    """The files of this package that a process which reads figures may run."""
    return closure(HERE, HERE / "reading.py")


def _version(package: str) -> str:
    with suppress(PackageNotFoundError):
        return version(package)
    return ""


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.machine()} {platform.processor()}"
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    return str(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))

"""Which files of a package an implementation runs: itself, and what it imports relatively, and so on."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path


def closure(package: Path, file: Path) -> set[Path]:
    """`file` and every file of `package` that it imports relatively, directly or not."""
    found: set[Path] = set()
    todo = [file]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo.extend(_siblings(package, here))
    return found


def content(root: Path, files: Iterable[Path], prefix: str = "") -> str:
    """A digest of the files, of what they hold and where below `root` they lie, but not of where that is."""
    found = hashlib.sha256(f"{prefix}\0".encode())
    for file in sorted(files):
        found.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()


def _siblings(package: Path, file: Path) -> tuple[Path, ...]:
    return _imported(package, file, file.stat().st_mtime_ns)


@functools.cache
def _imported(package: Path, file: Path, _changed: int) -> tuple[Path, ...]:
    """What a file imports relatively, as it was last changed."""
    return tuple(_found(package, file))


def _found(package: Path, file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for path in (folder, *(folder / alias.name for alias in node.names)):
                for candidate in (path.with_suffix(".py"), path / "__init__.py"):
                    if candidate.is_file() and candidate.is_relative_to(package):
                        yield candidate

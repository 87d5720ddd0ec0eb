"""Which files of a package an implementation runs: itself, and what it imports relatively, and so on."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
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

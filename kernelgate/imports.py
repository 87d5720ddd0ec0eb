"""Which files of a package an implementation runs: itself, and what it imports relatively, and so on."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any


def closure(package: Path, file: Path) -> set[Path]:
    """`file` and every file of `package` that is run to import it: what it imports relatively, and so on."""
    found: set[Path] = set()
    todo = [file]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo.extend((*_siblings(package, here), *_run_before(package, here)))
    return found


def binding(package: Path, spec: Path, bind: Callable[..., Any]) -> set[Path]:
    """Of all that `spec` imports what decides on a function that it binds: what that runs, and who imports it.

    All where it is no plain function of a file.
    """
    known = closure(package, spec)
    code = getattr(bind, "__code__", None)
    own = Path(code.co_filename) if code is not None else None
    if own not in known:
        return known
    return closure(package, own) | {file for file in known if own in closure(package, file)}


def content(root: Path, files: Iterable[Path], prefix: str = "") -> str:
    """A digest of the files, of what they hold and where below `root` they lie, but not of where that is."""
    found = hashlib.sha256(f"{prefix}\0".encode())
    for file in sorted(files):
        found.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()


def _run_before(package: Path, file: Path) -> Iterator[Path]:
    """The `__init__.py` of each package that a file lies in."""
    for folder in file.parents:
        if folder.is_relative_to(package) and (first := folder / "__init__.py").is_file():
            yield first


def _siblings(package: Path, file: Path) -> tuple[Path, ...]:
    return _imported(package, file, file.stat().st_mtime_ns)


@functools.cache
def _imported(package: Path, file: Path, _changed: int) -> tuple[Path, ...]:
    """What a file imports relatively, as it was last changed."""
    return tuple(_found(package, file))


def _found(package: Path, file: Path) -> Iterator[Path]:
    for level, module, names in _relative_imports(file.read_text(encoding="utf-8")):
        folder = file.parents[level - 1].joinpath(*module)
        for path in (folder, *(folder / name for name in names)):
            for candidate in (path.with_suffix(".py"), path / "__init__.py"):
                if candidate.is_file() and candidate.is_relative_to(package):
                    yield candidate


# By the text, since copies of a package hold the same.
@functools.cache
def _relative_imports(source: str) -> tuple[tuple[int, list[str], list[str]], ...]:
    """The level, module and names of each."""
    return tuple(
        (node.level, (node.module or "").split("."), [alias.name for alias in node.names])
        for node in _statements(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level
    )


def _statements(parent: ast.AST) -> Iterator[ast.AST]:
    """All below a module, but no expressions, which are most of it and import nothing."""
    for node in ast.iter_child_nodes(parent):
        if not isinstance(node, ast.expr):
            yield node
            yield from _statements(node)

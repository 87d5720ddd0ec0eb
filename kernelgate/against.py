"""The kernels of another commit beside those of the working tree, as packages of other names in one process."""

from __future__ import annotations

import ast
import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from .imports import content
from .numba_cache import COPY

ARMS = ("base", "control", "head")
# Copies of each arm: where a copy's code happens to lie moves its times, and averages out over several.
COPIES = 2


class RefError(ValueError):
    """A commit to measure against that cannot be had."""


@dataclass(frozen=True)
class Base:
    """The commit to measure against: what was asked for, and the commit it stands for."""

    asked: str
    commit: str

    def __str__(self) -> str:
        return self.commit[:10] if self.commit.startswith(self.asked) else f"{self.asked} ({self.commit[:10]})"


def resolve(root: Path, ref: str, package: str) -> Base:
    """The commit of a branch, tag or commit name, or HEAD for `+`; RefError in one line if it cannot serve as base."""
    if _git(root, "rev-parse", "--is-inside-work-tree").returncode:
        raise RefError(f"--against {ref}: {root} is in no git repository")
    found = _git(root, "rev-parse", "--verify", "--quiet", f"{'HEAD' if ref == '+' else ref}^{{commit}}")
    if found.returncode:
        shallow = _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        hint = "this clone is shallow: git fetch --unshallow" if shallow else "expected a branch, tag or commit"
        raise RefError(f"--against {ref}: no such commit here; {hint}")
    commit = found.stdout.decode().strip()
    if _git(root, "cat-file", "-e", f"{commit}:{_prefix(root)}{package}/__init__.py").returncode:
        raise RefError(f"--against {ref}: commit {commit[:10]} has no package {package}/")
    return Base(ref, commit)


def lay_out(root: Path, base: Base, package: str, folder: Path) -> dict[str, tuple[str, ...]]:
    """Write COPIES packages of each arm into `folder`; returns their names by arm.

    `head` is the working tree as it is now, `base` and `control` are both the commit. Tree and index are left alone.
    """
    archive = _git(root, "archive", "--format=tar", base.commit, package)
    if archive.returncode:
        raise RefError(f"--against {base.asked}: git archive failed: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder / "base-tree", filter="data")
    trees = {"base": folder / "base-tree" / package, "control": folder / "base-tree" / package, "head": root / package}
    # By content too: machine code that is found again bears the name of the package that it was compiled in.
    names = {arm: tuple(f"{COPY}_{arm}_{digest(tree)}_{copy}" for copy in range(COPIES)) for arm, tree in trees.items()}
    for arm, packages in names.items():
        for name in packages:
            shutil.copytree(trees[arm], folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return names


def digest(tree: Path) -> str:
    """Of all that a package holds, in as many letters as tell its states apart."""
    files = (file for file in tree.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return content(tree, files)[:12]


def changed_files(root: Path, base: Base, package: str) -> set[str]:
    """Files of the package that run otherwise than the commit's or are new, as paths below the package."""
    differing = _git(root, "diff", "--name-only", "--relative", base.commit, "--", package)
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", package)
    files = (differing.stdout + new.stdout).decode().splitlines()
    return {file.removeprefix(f"{package}/") for file in files if not _runs_alike(root, base, file)}


def _runs_alike(root: Path, base: Base, file: str) -> bool:
    """Whether a Python file differs from the commit's in its remarks alone."""
    shown = _git(root, "show", f"{base.commit}:./{file}")
    if not file.endswith(".py") or shown.returncode or not (root / file).exists():
        return False
    return without_remarks(shown.stdout) == without_remarks((root / file).read_bytes())


def without_remarks(source: bytes) -> str | bytes:
    """What is the same of two Python files that differ in comments, docstrings and layout; all of it if it is none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(ast.Constant(str())), *rest]:
                    node.body = rest
    return ast.dump(tree)


def changed_dependencies(root: Path, base: Base, lock: str) -> list[str]:
    """`numpy 2.3.0 -> 2.4.0` for each pin of the lock file that is not the commit's."""
    then = pins_at(root, base, lock) or {}
    now = pins((root / lock).read_text(encoding="utf-8") if (root / lock).exists() else "")
    absent = Pin("absent", "")
    return [
        f"{name} {then.get(name, absent).version} -> {now.get(name, absent).version}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name, absent).version != now.get(name, absent).version
    ]


@dataclass(frozen=True)
class Pin:
    """A line of a lock file: the version, and the whole of it with its environment marker."""

    version: str
    text: str


def pins_at(root: Path, base: Base, lock: str) -> dict[str, Pin] | None:
    """What the commit's lock file pins, by name; None if it has none."""
    shown = _git(root, "show", f"{base.commit}:{_prefix(root)}{lock}")
    return None if shown.returncode else pins(shown.stdout.decode())


def pins(text: str) -> dict[str, Pin]:
    """`name==version ; marker` lines by name."""
    found = {}
    for line in text.splitlines():
        name, equal, rest = line.partition("==")
        if equal and not line.startswith("#"):
            requirement = line.partition(" #")[0].strip().removesuffix("\\").strip()
            found[name.strip()] = Pin(rest.split(";")[0].strip().removesuffix("\\").strip(), requirement)
    return found


def _prefix(root: Path) -> str:
    return _git(root, "rev-parse", "--show-prefix").stdout.decode().strip()


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)

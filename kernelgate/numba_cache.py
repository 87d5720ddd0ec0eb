"""Numba's cache on disk, in which machine code is found by what it was made of."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from .imports import closure

KEPT_SECONDS = 30 * 24 * 3600
LOCATOR = "kernelgate.numba_locator.ByContent"
ROOT = "KERNELGATE_NUMBA_CACHE"


def use(purpose: str) -> None:
    """Point Numba at the cache for that purpose; to be called before Numba is imported.

    A folder each, since machine code bears the name of the package that it was compiled in: two states of a file that
    were compiled in packages of one name cannot both be loaded in one process. What nobody used for a month goes.
    """
    if not find_spec("numba"):
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernelgate" / "numba"
    # Remembered, for processes that are started from this one.
    root = Path(os.environ.setdefault(ROOT, os.environ.get("NUMBA_CACHE_DIR") or str(home)))
    folder = root / f"{purpose}-{version('numba')}"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    os.environ["NUMBA_CACHE_LOCATOR_CLASSES"] = f"{LOCATOR},UserProvidedCacheLocator"


def digest(file: Path) -> str | None:
    """Of a file and all that it imports of its package, whatever the package is named; None outside of packages.

    Numba itself looks at the file of the function alone. It would go on running the old machine code of a function
    whose callee in another file has changed, and so measure what is no longer there.
    """
    packages = [parent for parent in file.parents if (parent / "__init__.py").exists()]
    if not packages:
        return None
    package = packages[-1]
    sources = hashlib.sha256()
    for source in sorted(closure(package, file)):
        sources.update(f"{source.relative_to(package)}\0".encode() + source.read_bytes() + b"\0")
    return sources.hexdigest()

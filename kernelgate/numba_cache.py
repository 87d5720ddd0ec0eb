"""Numba's cache on disk, in which machine code is found by what it was made of."""

from __future__ import annotations

import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from .imports import closure, content
from .user_cache import place, tidied

# How the name of a copy of a package begins; copies come and go.
COPY = "kernelgate_copy"
LOCATOR = "kernelgate.numba_locator.ByContent"
ROOT = "KERNELGATE_NUMBA_CACHE"


def use() -> None:
    """Point Numba at the cache; to be called before Numba is imported. What nobody used for a month goes."""
    if not find_spec("numba"):
        return
    # Remembered, for processes that are started from this one.
    root = Path(os.environ.setdefault(ROOT, os.environ.get("NUMBA_CACHE_DIR") or str(place("numba"))))
    os.environ["NUMBA_CACHE_DIR"] = str(tidied(root / version("numba")))
    os.environ["NUMBA_CACHE_LOCATOR_CLASSES"] = f"{LOCATOR},UserProvidedCacheLocator"


def digest(file: Path) -> str | None:
    """Of a file and all that it imports of its package; None outside of packages.

    Numba itself looks at the file of the function alone. It would go on running the old machine code of a function
    whose callee in another file has changed, and so measure what is no longer there.

    Machine code bears the name of the package that it was compiled in, and finds no other; what lies in a copy is told
    by content alone, since the names of copies stand for their content.
    """
    packages = [parent for parent in file.parents if (parent / "__init__.py").exists()]
    if not packages:
        return None
    package = packages[-1]
    return content(package, closure(package, file), "" if package.name.startswith(COPY) else package.name)

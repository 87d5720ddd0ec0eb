"""Numba's cache on disk, a folder for each state of the sources."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

KEPT = 8


def separate(package: Path) -> Path:
    """Point Numba at a cache folder for the sources of `package` as they are now; returns the folder.

    Numba looks at the file of the function alone. It would go on running the old machine code of a function whose
    callee in another file has changed, and so measure what is no longer there. Folders of older states are removed.
    """
    sources = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        sources.update(file.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(os.environ.get("NUMBA_CACHE_DIR") or home / "kernelgate" / "numba")
    folder = root / f"sources-{sources.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    for old in sorted(root.glob("sources-*"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    return folder

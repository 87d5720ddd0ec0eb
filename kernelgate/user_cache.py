"""What is kept between runs, in the user's cache directory."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

KEPT_SECONDS = 30 * 24 * 3600


def place(name: str) -> Path:
    """The folder for what is called so; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernelgate" / name


def tidied(folder: Path) -> Path:
    """The folder, made if it was not there, and rid of what was not touched for a month."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        with suppress(FileNotFoundError):  # another process tidies up too
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    return folder

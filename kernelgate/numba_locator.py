"""Where Numba keeps the machine code of a function: by the content of its file and of all that this imports."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numba.core import config
from numba.core.caching import UserProvidedCacheLocator

from .numba_cache import digest


class ByContent(UserProvidedCacheLocator):  # type: ignore[misc]  # which has no types
    """For files of packages; Numba asks it by its name in NUMBA_CACHE_LOCATOR_CLASSES.

    Copies of a package find each other's machine code, and a file that is put back finds its own.
    """

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._digest = digest(Path(py_file))
        self._cache_path = str(Path(config.CACHE_DIR) / f"{Path(py_file).stem}-{self._digest}")

    def get_source_stamp(self) -> str | None:
        return self._digest

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        located = super().from_function(py_func, py_file)
        if located is None or located._digest is None:
            return None
        # Tells that the folder is in use.
        os.utime(located.get_cache_path())
        return located

"""Where Numba keeps the machine code of a function: by the content of its file and of all that this imports."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from numba.core import config
from numba.core.caching import UserProvidedCacheLocator

from .numba_cache import COPY, digest


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


class GoneCopies(MetaPathFinder, Loader):
    """Empty modules in place of copies that machine code was compiled in and that have been thrown away since.

    Numba imports them with the code, for globals that compiled code has in itself. What a copy that exists does not
    hold is still missing.
    """

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        package = sys.modules.get(name.partition(".")[0])
        gone = package is None if path is None else package is not None and package.__loader__ is self
        return ModuleSpec(name, self, is_package=True) if name.startswith(COPY) and gone else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        pass


sys.meta_path.append(GoneCopies())

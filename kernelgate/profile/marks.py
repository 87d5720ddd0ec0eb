"""Functions that a package marks as parts of a model, and timed ones in their place while a profile runs.

A mark is an attribute `__part__` with the part's name on a function of a module, or a method of a class or of a model.
It costs nothing by itself. What holds such a function elsewhere, as in a list or a closure, goes on calling it untimed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from .spans import Recorder


@contextmanager
def timed_parts(package: str, model: object, recorder: Recorder) -> Iterator[None]:
    """Within it, every marked function of `package` and of the model itself is a timed one."""
    replaced = []
    try:
        for owner, name, held in list(_marked(package, model)):
            timed = recorder.timed(_part(held), _function(held))
            # A static or class method is held in a wrapper of that kind, which must go around the timed function.
            _set(owner, name, timed if _function(held) is held else type(held)(timed))
            replaced.append((owner, name, held))
        yield
    finally:
        for owner, name, held in replaced:
            _set(owner, name, held)


def _marked(package: str, model: object) -> Iterator[tuple[Any, str, Any]]:
    for owner in [*_owners(package), model]:
        for name, held in vars(owner).items() if hasattr(owner, "__dict__") else ():
            if not isinstance(held, type | ModuleType) and isinstance(_part(held), str):
                yield owner, name, held


def _owners(package: str) -> Iterator[Any]:
    """The modules of the package that are loaded, and the classes that they define."""
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            yield module
            yield from (held for held in vars(module).values() if isinstance(held, type) and held.__module__ == name)


def _part(held: Any) -> Any:
    return getattr(_function(held), "__part__", None)


def _function(held: Any) -> Any:
    return held.__func__ if isinstance(held, staticmethod | classmethod) else held


def _set(owner: Any, name: str, value: Any) -> None:
    # A frozen dataclass refuses what is no business of its users.
    if isinstance(owner, type):
        type.__setattr__(owner, name, value)
    else:
        object.__setattr__(owner, name, value)

"""JAX's cache on disk: programs that it has compiled, for the processes that come after."""

from __future__ import annotations

import os
from pathlib import Path

from .user_cache import place, tidied

SWITCH = "KERNELGATE_JAX_CACHE"
FOLDER = "JAX_COMPILATION_CACHE_DIR"
# What takes less is compiled again nearly as soon as it is found and read. JAX's own default is a second.
LEAST_SECONDS = "0.1"


def folder() -> Path:
    """The user's cache of programs, rid of what is older than a month."""
    return tidied(place("jax"))


def keep() -> None:
    """Have JAX keep its programs in the user's cache; to be called before JAX is imported.

    For runs that time or profile: what is read of a program that was not compiled in the process is not all exact.
    `KERNELGATE_JAX_CACHE=off` or JAX's own `JAX_ENABLE_COMPILATION_CACHE=false` prevents it, and a folder that
    `JAX_COMPILATION_CACHE_DIR` names is used as JAX does. What was compiled more than a month ago goes.
    """
    if os.environ.get(SWITCH) == "off" or FOLDER in os.environ:
        return
    os.environ[FOLDER] = str(folder())
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", LEAST_SECONDS)

"""Peak memory of a stretch of work, as the system counts it."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@contextmanager
def peak_memory(facts: dict[str, Any]) -> Iterator[None]:
    """Puts `peak_memory_bytes` into `facts`: how far the process's resident memory rose above where it began.

    On Linux the high-water mark is reset first. Elsewhere it cannot be, so the figure is the process's own peak so far.
    Memory that an allocator kept from earlier work is not counted again.
    """
    if not _CLEAR.exists():
        yield
        facts["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return
    _CLEAR.write_text("5")
    before = psutil.Process().memory_info().rss
    yield
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    facts["peak_memory_bytes"] = max(0, int(line.split()[1]) * 1024 - before)

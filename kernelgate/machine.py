"""What else the machine did while the gate measured: neighbours, steal and clock, as the kernel counts them."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

# More than this share of the processors taken by others, or of the time stolen by the host, is worth a line.
WORTH_TELLING = 0.05


@contextmanager
def watched(facts: dict[str, Any]) -> Iterator[None]:
    """Around a child process, until it has ended: puts what happened beside it into `facts`.

    `others`: processors that neither it nor we used; `stolen`: share of the time that the host kept; `megahertz`: the
    clock before and after, where the system tells it.
    """
    before, ours, start, clock = psutil.cpu_times(), _ours(), time.monotonic(), _megahertz()
    yield
    after, seconds = psutil.cpu_times(), time.monotonic() - start
    idle = sum(getattr(after, name, 0) - getattr(before, name, 0) for name in ("idle", "iowait"))
    stolen = getattr(after, "steal", 0) - getattr(before, "steal", 0)
    processors = psutil.cpu_count() or 1
    busy = processors * seconds - idle - stolen
    facts["others"] = max(0.0, (busy - (_ours() - ours)) / seconds)
    facts["stolen"] = max(0.0, stolen / (processors * seconds))
    facts["megahertz"] = [clock, _megahertz()]


def told(lines: Sequence[dict[str, Any]]) -> str:
    """One line about all processes of a run, empty where nothing is worth telling."""
    if not lines:
        return ""
    others = sum(line["others"] for line in lines) / len(lines)
    stolen = sum(line["stolen"] for line in lines) / len(lines)
    clocks = [clock for line in lines for clock in line["megahertz"] if clock]
    parts = []
    if others > WORTH_TELLING:
        parts.append(f"other programs used {others:.1f} of {psutil.cpu_count()} processors")
    if stolen > WORTH_TELLING:
        parts.append(f"the host took {stolen:.0%} of the time")
    if clocks and max(clocks) > (1 + WORTH_TELLING) * min(clocks):
        parts.append(f"the clock went from {min(clocks):.0f} to {max(clocks):.0f} MHz")
    return f"while measuring, {' and '.join(parts)}" if parts else ""


def _ours() -> float:
    """Processor seconds of this process and of its children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def _megahertz() -> float | None:
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return frequency.current if frequency else None

"""A profile as Chrome's trace format, which Perfetto opens (Trace Event Format: complete events, in microseconds)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path as File
from typing import Any

from ..gate_report import replace
from .run import Profile
from .spans import Operation, Path, Recording, Share

PROCESS = 1
SPANS = 1


def write(path: File, profile: Profile) -> None:
    replace(path, json.dumps(trace(profile.recording, profile.job.request.subject), allow_nan=False) + "\n")


def trace(recording: Recording, title: str) -> dict[str, Any]:
    """Spans on one track; operations of compiled programs, if any, on those of the threads or streams that ran them.

    Where only the sums of parts are known, they lie one after another at the beginning of their span, marked as summed.
    """
    return {"displayTimeUnit": "ms", "traceEvents": [*_names(recording, title), *_events(recording)]}


def _names(recording: Recording, title: str) -> Iterator[dict[str, Any]]:
    yield _name("process_name", 0, title)
    yield _name("thread_name", SPANS, "parts")
    for (lane, _), number in _tracks(recording)[0].items():
        yield _name("thread_name", number, lane)


def _name(kind: str, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": PROCESS, "tid": thread, "args": {"name": name}}


def _tracks(recording: Recording) -> tuple[dict[tuple[str, int], int], list[tuple[int, Operation]]]:
    """The tracks of operations by lane, and each operation with its track.

    A lane has a second track and more where operations overlap, which other threads have finished: events of a track
    lie one inside the other or apart.
    """
    tracks: dict[tuple[str, int], int] = {}
    placed = []
    open_until: dict[tuple[str, int], list[int]] = defaultdict(list)
    for operation in sorted(recording.operations, key=lambda one: (one.start, -one.duration)):
        end = operation.start + operation.duration
        for copy in count():
            ends = open_until[operation.lane, copy]
            while ends and ends[-1] <= operation.start:
                ends.pop()
            if not ends or end <= ends[-1]:
                break
        ends.append(end)
        track = tracks.setdefault((operation.lane, copy), SPANS + 1 + len(tracks))
        placed.append((track, operation))
    return tracks, placed


def _events(recording: Recording) -> Iterator[dict[str, Any]]:
    origin = min(span.start for span in recording.spans)
    for span in sorted(recording.spans, key=lambda span: (span.start, len(span.path))):
        yield _event(span.path[-1], SPANS, span.start - origin, span.duration, {})
    for track, operation in _tracks(recording)[1]:
        part = {"part": "/".join(operation.part)}
        yield _event(operation.name, track, operation.start - origin, operation.duration, part)
    if not recording.operations:
        summed = defaultdict(list)
        for share in recording.shares:
            summed[share.within].append(share)
        for within, shares in summed.items():
            yield from _laid_out(shares, (), recording.spans[within].start - origin)


def _laid_out(shares: list[Share], path: Path, start: int) -> Iterator[dict[str, Any]]:
    for share in shares:
        if share.path[:-1] == path:
            yield _event(share.path[-1], SPANS, start, share.duration, {"summed": True, "calls": share.calls})
            yield from _laid_out(shares, share.path, start)
            start += share.duration


def _event(name: str, thread: int, start: int, duration: int, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "pid": PROCESS,
        "tid": thread,
        "ts": start / 1000,
        "dur": duration / 1000,
        "args": told,
    }

"""Parts of a step that is compiled as a whole: the cycles that it counts by itself, as shares of the step's time.

Such a model has two methods: `count_cycles(on)` begins to count, or stops, and `part_cycles()` gives for each part, by
its name or by its path as `layers/norm`, calls and cycles since then, of the thread that called the step. Attention
and feed-forward are parts of the layers unless a path says otherwise.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .generation import PREFILL, STEP
from .spans import Path, Recorder, Recording, Share, Span

OF_LAYERS: dict[str, Path] = {name: ("layers", name) for name in ("attention", "feed-forward")}


def counts(model: Any) -> bool:
    """Whether the model counts cycles."""
    return hasattr(model, "count_cycles") and hasattr(model, "part_cycles")


class Counter:
    """Reads a model's cycles at the end of each prefill and step; `recording` turns them into shares."""

    def __init__(self, model: Any, finish: Callable[[Any], Any]) -> None:
        self.model = model
        self.recorder = Recorder(finish, self._annotate)
        self._read: list[tuple[int, dict[str, tuple[int, int]]]] = []

    @contextmanager
    def counting(self) -> Iterator[None]:
        cycles = clock()
        self._begun = cycles(), time.perf_counter_ns()
        self.model.count_cycles(True)
        try:
            yield
        finally:
            self.model.count_cycles(False)
            self._ended = cycles(), time.perf_counter_ns()

    @contextmanager
    def _annotate(self, path: Path) -> Iterator[None]:
        yield
        if path[-1] in (PREFILL, STEP):
            # The span that ends now is the next that the recorder keeps.
            self._read.append((len(self.recorder.spans), self.model.part_cycles()))

    @property
    def recording(self) -> Recording:
        (first, start), (last, end) = self._begun, self._ended
        recording = Recording(self.recorder.spans)
        if last <= first:
            recording.notes.append("This processor has no counter of cycles, so nothing is known of the parts.")
            return recording
        before: dict[str, tuple[int, int]] = {}
        for within, now in self._read:
            taken = {
                OF_LAYERS.get(name, tuple(name.split("/"))): (
                    calls - before.get(name, (0, 0))[0],
                    cycles - before.get(name, (0, 0))[1],
                )
                for name, (calls, cycles) in now.items()
            }
            room = _room(recording.spans, within)
            # Two clocks that are set against each other over a whole run may differ a little in a single step.
            most = room / (sum(cycles for _, cycles in taken.values()) or 1)
            recording.shares += shares(within, taken, min(most, (end - start) / (last - first)))
            before = now
        return recording


def _room(spans: list[Span], within: int) -> int:
    """What a span has beside the spans in it, which come just before it."""
    outer, room, number = spans[within], spans[within].duration, within - 1
    while number >= 0 and len(spans[number].path) > len(outer.path):
        room -= spans[number].duration * (len(spans[number].path) == len(outer.path) + 1)
        number -= 1
    return room


def shares(within: int, taken: dict[Path, tuple[int, int]], nanoseconds: float) -> Iterator[Share]:
    """Of calls and cycles by part, with so many ns a cycle: the parts, and before them what they are parts of."""
    durations = {path: (calls, int(cycles * nanoseconds)) for path, (calls, cycles) in taken.items() if calls}
    for path, (calls, duration) in durations.items():
        for length in range(1, len(path)):
            outer = path[:length]
            inside = [one for one in durations if one[:length] == outer]
            if inside[0] == path:
                yield Share(within, outer, sum(durations[one][1] for one in inside))
        yield Share(within, path, duration, calls)


@functools.cache
def clock() -> Callable[[], int]:
    """Reads the processor's counter of cycles, as LLVM knows it; it is 0 for ever where there is none."""
    from llvmlite import ir
    from numba import njit
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    def counter(typing: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FunctionType(ir.IntType(64), [])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.readcyclecounter"), [])

        return types.int64(), generate

    cycles = intrinsic(counter)
    read: Callable[[], int] = njit(lambda: cycles())
    read()
    return read

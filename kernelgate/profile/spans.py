"""What a profile is made of: spans of time by their place in the tree, and the clock that records them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str, ...]


@dataclass(frozen=True)
class Span:
    """One stretch of time, in ns of any clock; its path ends with its own name."""

    path: Path
    start: int
    duration: int


@dataclass(frozen=True)
class Share:
    """What a part took of the span with number `within`, as a sum: when exactly is not known, nor perhaps how often.

    A share with a path of several names has one for each of its beginnings, which includes it.
    """

    within: int
    path: Path
    duration: int
    calls: int | None = None


@dataclass(frozen=True)
class Operation:
    """One operation of a compiled program, as its runtime recorded it; `lane` is the thread or stream that ran it."""

    name: str
    part: Path
    lane: str
    start: int
    duration: int


@dataclass
class Recording:
    """All that was recorded of one generated text; `notes` are about how."""

    spans: list[Span] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Recorder:
    """Records nested spans, each when its result is there; `annotate(path)` is entered with each, to mark a trace."""

    def __init__(
        self,
        finish: Callable[[Any], Any] = lambda result: result,
        annotate: Callable[[Path], AbstractContextManager[Any]] = lambda path: nullcontext(),
    ) -> None:
        self.finish, self.annotate = finish, annotate
        self.spans: list[Span] = []
        self._path: Path = ()

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        outer = self._path
        self._path = (*outer, name)
        start = time.perf_counter_ns()
        try:
            with self.annotate(self._path):
                yield
        finally:
            self.spans.append(Span(self._path, start, time.perf_counter_ns() - start))
            self._path = outer

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, recorded as a part of that name; where the part is under way already, it is not one again."""

        @functools.wraps(function)
        def recorded(*arguments: Any, **named: Any) -> Any:
            outer = self._path
            if outer and outer[-1] == name:
                return function(*arguments, **named)
            self._path = (*outer, name)
            start = time.perf_counter_ns()
            try:
                return self.finish(function(*arguments, **named))
            finally:
                self.spans.append(Span(self._path, start, time.perf_counter_ns() - start))
                self._path = outer

        return recorded

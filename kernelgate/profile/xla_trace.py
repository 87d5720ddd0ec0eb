"""What JAX's own profiler recorded while a text was generated: our spans, and the operations of compiled programs.

On a CPU and on a GPU each operation of a program is an event with the statistics `hlo_op` and `hlo_module`, as JAX 0.10
writes them. A program's metadata says in which `jax.named_scope` an operation came about, which names its part.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path as File
from typing import Any

from . import ProfileError
from .generation import SAMPLING
from .scopes import Programs
from .spans import Operation, Path, Recording, Share, Span

PREFIX = "kernelgate/"
OPERATION, MODULE, PROGRAM = "hlo_op", "hlo_module", "program_id"
# How the runtime of a CPU tells that an operation is over which other threads had a share in.
_END, _PRODUCER, _CONSUMER = "end: ", "_p", "_c"
# The order in which parts are shown.
USUAL = ("prefill", "step", "embedding", "layers", "attention", "feed-forward", "head", "sampling")
# Time is divided in whole fractions of a ns, so that the shares of a part's parts never come to more than its own.
FRACTIONS = 5040


def annotation(path: Path) -> Any:
    """Marks a span in the trace."""
    import jax

    return jax.profiler.TraceAnnotation(PREFIX + "/".join(path))


@contextmanager
def traced(recording: Recording, client: Any) -> Iterator[None]:
    """Around a generation whose spans are annotated: puts the spans, operations and shares into `recording`."""
    import jax

    if not hasattr(jax.profiler, "ProfileData"):
        raise ProfileError(f"JAX {jax.__version__} cannot read its own profile, expected a version with ProfileData")
    options = {}
    if hasattr(jax.profiler, "ProfileOptions"):
        options["profiler_options"] = jax.profiler.ProfileOptions()
        # It would record every call of every Python function, at several times the cost of a step.
        options["profiler_options"].python_tracer_level = 0
    with tempfile.TemporaryDirectory(prefix="kernelgate-") as folder:
        with jax.profiler.trace(folder, **options):
            yield
        (file,) = File(folder).rglob("*.xplane.pb")
        trace = jax.profiler.ProfileData.from_file(str(file))
    modules = [module for executable in client.live_executables() for module in executable.hlo_modules()]
    read(trace, Programs((module.name, module.to_string()) for module in modules), recording)


def read(trace: Any, programs: Programs, recording: Recording) -> None:
    """Fill the recording with what a `jax.profiler.ProfileData` holds."""
    found: list[tuple[dict[str, Any], str, str, int, int]] = []
    ends: dict[Any, int] = {}
    for plane in trace.planes:
        for line in plane.lines:
            for event in line.events:
                start, duration = int(event.start_ns), int(event.duration_ns)
                if event.name.startswith(PREFIX):
                    path = tuple(event.name.removeprefix(PREFIX).split("/"))
                    recording.spans.append(Span(path, start, duration))
                    continue
                told = dict(event.stats)
                if OPERATION in told:
                    found.append((told, str(told[OPERATION]), line.name, start, duration))
                elif event.name.startswith(_END):
                    ends[told.get(_CONSUMER)] = start + duration
    names: dict[tuple[str, Any], set[str]] = {}
    for told, name, *_ in found:
        names.setdefault((str(told.get(MODULE)), told.get(PROGRAM)), set()).add(name)
    chosen = {key: programs.find(key[0], operations) for key, operations in names.items()}
    control, inferred = set(), set()
    for told, name, lane, start, duration in found:
        program = chosen[str(told.get(MODULE)), told.get(PROGRAM)]
        end = max(start + duration, ends.get(told.get(_PRODUCER), 0)) if _PRODUCER in told else start + duration
        part = () if program is None else program.part(name)
        if program is not None and program.is_control(name):
            control.add(len(recording.operations))
        elif program is not None and part and not program.named(name):
            inferred.add(len(recording.operations))
        recording.operations.append(Operation(name, part, lane, start, end - start))
    recording.shares, recording.notes = divided(recording, control, inferred)
    recording.notes += _doubts(recording)


def divided(recording: Recording, control: set[int], inferred: set[int]) -> tuple[list[Share], list[str]]:
    """The time of each span divided among the operations that ran in it; and, in words, what was left over.

    Of several operations at once, each has its share. `control` numbers those, such as loops, that have only the time
    in which nothing that they call runs; `inferred` those whose part is known by what they take.
    """
    took: dict[tuple[int, Path], int] = defaultdict(int)
    idle = unnamed = guessed = 0
    for passed, within, busy in _stretches(recording, control):
        idle += passed * FRACTIONS * (not busy)
        for operation in busy:
            part, time = recording.operations[operation].part, passed * FRACTIONS // len(busy)
            unnamed += time * (not part)
            guessed += time * (operation in inferred)
            for length in range(1, len(part) + 1):
                took[within, part[:length]] += time
    whole = FRACTIONS * max((span.duration for span in recording.spans), default=0) or 1
    left = (
        f"No operation of a program ran in {idle / whole:.0%} of the time, but Python or nothing. Operations of no "
        f"jax.named_scope: {guessed / whole:.0%} of the time are counted to the part whose results they take, "
        f"{unnamed / whole:.0%} to none."
    )
    # Programs begin with bits of all their parts, so when a part came first says little.
    ordered = sorted(took, key=lambda one: [USUAL.index(name) if name in USUAL else len(USUAL) for name in one[1]])
    shares = [Share(within, part, took[within, part] // FRACTIONS) for within, part in ordered]
    # Picking a token has no parts: what goes on there of a step is waited for.
    return [share for share in shares if recording.spans[share.within].path[-1] != SAMPLING], [left]


def _stretches(recording: Recording, control: set[int]) -> Iterator[tuple[int, int, set[int]]]:
    """Stretches in which nothing begins or ends: how long, in which innermost span, and what operations run.

    An operation that goes on when the span has ended in which it began is none of what comes after.
    """
    running: dict[int, int | None] = {}
    under_way: set[int] = set()
    within: int | None = None
    before = 0
    for when, begins, kind, number in sorted([*_edges(recording.spans, 0), *_edges(recording.operations, 1)]):
        if within is not None and when > before:
            here = {operation for operation, home in running.items() if home == within}
            yield when - before, within, here - control or here
        before = when
        if kind and begins:
            running[number] = within
        elif kind:
            del running[number]
        else:
            under_way.add(number) if begins else under_way.discard(number)
            within = max(under_way, key=lambda one: len(recording.spans[one].path), default=None)


def _edges(stretches: Sequence[Span | Operation], kind: int) -> Iterator[tuple[int, int, int, int]]:
    """When each begins and ends: time, whether it begins, kind, number. What ends comes before what begins then."""
    for number, one in enumerate(stretches):
        if one.duration:
            yield one.start, 1, kind, number
            yield one.start + one.duration, 0, kind, number


def _doubts(recording: Recording) -> Iterator[str]:
    if not recording.operations:
        yield "This backend's profile holds no operations of compiled programs, so nothing is known of the parts."
        return
    last = max(operation.start for operation in recording.operations)
    silent = sum(span.start > last for span in recording.spans)
    if silent:
        yield f"{silent} of {len(recording.spans)} spans come after the last operation recorded: the profile was full."

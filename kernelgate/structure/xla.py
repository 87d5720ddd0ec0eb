"""What XLA made of an implementation: the programs that a call compiles, their cost, memory and instructions.

The executables are those that the device's client holds while JAX reports a compilation (`live_executables`, no public
interface of JAX: there from 0.6 to 0.10). Cost and memory are XLA's own figures. Its cost analysis counts the body of a
loop once; what the other runs add is counted here. A program that a call runs several times counts once.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..arrays import named_arrays
from ..compilation import JAX_STAGES
from ..devices import jax_device
from ..subject import Subject
from . import hlo
from .differences import LISTING, NOT_READ
from .listing import hlo_text

SUMMED = (
    "flops",
    "bytes accessed",
    "temporary bytes",
    "argument bytes",
    "output bytes",
    "aliased bytes",
    "operations",
    "fusions",
    "f64 instructions",
    "loops of unknown length",
)
DOUBLE = frozenset(("f64", "c128"))


def figures(subject: Subject, placed: tuple[Any, ...], call: Callable[[], Any]) -> dict[str, Any]:
    """Of all programs that the first `call` compiles once JAX has forgotten all that it had compiled, in this process.

    `compilations a call` counts what two more calls still compile, the greater of both.
    """
    import jax

    jax.clear_caches()
    client = jax_device(subject.device).client
    with compiled(client) as programs:
        call()
    repeated = []
    for _ in range(2):
        with compiled(client) as again:
            call()
        repeated.append(len(again))
    counts: dict[str, Any] = {"programs": len(programs), "compilations a call": max(repeated)}
    if not programs:
        names = (*SUMMED, "instructions")
        reason = "the call compiles nothing, as if all had been compiled when it was bound"
        return counts | dict.fromkeys(names) | {NOT_READ: dict.fromkeys(names, reason)}
    doubles = any(array.dtype == "float64" for _, array in named_arrays(placed))
    return counts | _summed(programs, doubles)


@contextmanager
def compiled(client: Any) -> Iterator[list[Any]]:
    """The executables that are compiled within it, as they come; those too that are dropped again at once."""
    known = list(client.live_executables())
    new: list[Any] = []

    def heard() -> None:
        found = [one for one in client.live_executables() if not any(one is other for other in known)]
        known.extend(found)
        new.extend(found)

    _listen()
    _hearers.append(heard)
    try:
        yield new
    finally:
        _hearers.remove(heard)


_hearers: list[Callable[[], None]] = []


@functools.cache
def _listen() -> None:
    """Have the hearers told of each compilation, for good: JAX 0.6 lets nobody unregister."""
    import jax.monitoring

    def heard(event: str, _: float, **__: Any) -> None:
        if JAX_STAGES.get(event) == "compile_s":
            for hearer in _hearers:
                hearer()

    jax.monitoring.register_event_duration_secs_listener(heard)


def _summed(programs: list[Any], doubles: bool) -> dict[str, Any]:
    """The programs' figures, added up; float64 is none of its own doing where it is `doubles` that came in."""
    total: Counter[str] = Counter(dict.fromkeys(SUMMED, 0))
    instructions: Counter[str] = Counter()
    texts = [[module.to_string() for module in executable.hlo_modules()] for executable in programs]
    for executable, modules in zip(programs, texts, strict=True):
        total.update(_memory(executable))
        parsed = [hlo.parse(text) for text in modules]
        total.update(_cost(executable, parsed))
        for visit in (visit for program in parsed for visit in program.visits()):
            instruction = visit.instruction
            loop = instruction.opcode == "while"
            total["loops of unknown length"] += loop and instruction.trips is None
            total["f64 instructions"] += visit.times * (not doubles and bool(DOUBLE & _dtypes(instruction)))
            if instruction.opcode not in hlo.IDLE:
                total["operations"] += visit.times * (not visit.fused)
                total["fusions"] += visit.times * (instruction.opcode == "fusion")
                instructions[("fused " if visit.fused else "") + instruction.label] += visit.times
    # Sums of whole numbers, that XLA gives as floats.
    return {name: round(value) for name, value in total.items()} | {
        "instructions": dict(sorted(instructions.items())),
        LISTING: hlo_text(text for modules in texts for text in modules),
    }


def _memory(executable: Any) -> dict[str, float]:
    memory = executable.get_compiled_memory_stats()
    return {
        "temporary bytes": memory.temp_size_in_bytes,
        "argument bytes": memory.argument_size_in_bytes,
        "output bytes": memory.output_size_in_bytes,
        "aliased bytes": memory.alias_size_in_bytes,
    }


def _cost(executable: Any, programs: list[hlo.Program]) -> dict[str, float]:
    """XLA's figures, where an entry that is missing is zero, and those of the runs of loops that it does not count."""
    cost = executable.cost_analysis()
    visits = [(program, visit) for program in programs for visit in program.visits()]
    return {
        "flops": cost.get("flops", 0.0) + sum(program.flops(v) * (v.times - 1) for program, v in visits),
        "bytes accessed": cost.get("bytes accessed", 0.0)
        + sum(program.bytes(v) * (v.times - 1) for program, v in visits),
    }


def _dtypes(instruction: hlo.Instruction) -> set[str]:
    return {dtype for dtype, _, _ in instruction.arrays}

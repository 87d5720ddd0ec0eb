"""How the structure of two implementations differs, and which differences are for the worse: one table says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Why a figure is None, by its name.
NOT_READ = "not read"
# What the compiler made, as text to be looked at: HLO or assembly.
LISTING = "listing"

# Units in which figures are told with a prefix, and with the change in per cent.
SCALED = ("B", "flop")

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """One figure that is not the same; `worse` if it became so by more than it may."""

    figure: str
    base: Any
    head: Any
    worse: bool
    text: str


@dataclass(frozen=True)
class Rule:
    """What a figure may do before it is worse, and why.

    `share` and `least` are how far it may move the wrong way, relative and absolute, together; None: any way, as far as
    it likes. Up to `noise` it is the same. `excused`: by what else happened, given base's figures and head's.
    """

    why: str
    share: float | None = 0.0
    least: float = 0.0
    noise: float = 0.0
    more_is_worse: bool = True
    unit: str = ""
    excused: Callable[[Figures, Figures], bool] = lambda base, head: False

    def worse(self, base: float, head: float) -> bool:
        """Whether `head` is further the wrong way from `base` than it may be."""
        if self.share is None:
            return False
        rise = head - base if self.more_is_worse else base - head
        return rise > self.share * abs(base) + self.least


def fell(name: str) -> Callable[[Figures, Figures], bool]:
    """Whether that figure is clearly lower on head."""
    return lambda base, head: (base.get(name) or 0) * 0.99 > (head.get(name) or 0)


def held(name: str) -> Callable[[Figures, Figures], bool]:
    """Whether that figure is no lower on head."""
    return lambda base, head: (base.get(name) or 0) <= (head.get(name) or 0)


def some(name: str) -> Callable[[Figures, Figures], bool]:
    """Whether that figure is not 0 on head."""
    return lambda base, head: bool(head.get(name))


_BYTES = "a table or an index more is no news, an array more is"
_FLOPS = "the compiler may arrange sums otherwise; to compute again what was stored pays where it saves traffic"
_UNROLLED = "how far a loop is unrolled changes it; that there is none left is what costs"

RULES: Mapping[str, Rule] = {
    "flops": Rule(_FLOPS, 0.01, unit="flop", excused=fell("bytes accessed")),
    "bytes accessed": Rule(_BYTES, 0.01, 1024, unit="B"),
    "temporary bytes": Rule(_BYTES, 0.01, 1024, unit="B"),
    "argument bytes": Rule(_BYTES, 0.01, 1024, unit="B"),
    "output bytes": Rule(_BYTES, 0.01, 1024, unit="B"),
    "aliased bytes": Rule(
        "what was written in place is copied; not if there is less to write",
        more_is_worse=False,
        unit="B",
        excused=fell("output bytes"),
    ),
    "programs": Rule("each is dispatched by itself"),
    "compilations a call": Rule("one takes longer than any kernel"),
    "operations": Rule(
        "each is a pass over memory, fusion or not; more that move fewer bytes are none", excused=fell("bytes accessed")
    ),
    "fusions": Rule("what is not fused is worse, and counts as an operation too", None),
    "f64 instructions": Rule("twice the bytes, and on accelerators a fraction of the speed"),
    "loops of unknown length": Rule("what they cost is counted once, so all other figures say too little"),
    "compiled signatures": Rule("one code for each, and a compilation of it"),
    "object mode": Rule("it runs in the interpreter"),
    "reflected arguments": Rule("a Python list is copied in and out"),
    "allocations": Rule("in a loop, one costs as much as a row"),
    "vectorised loops": Rule("loops may be merged; what is lost shows as scalar", None),
    "scalar loops": Rule(
        "a loop that is no longer vectorised; not if it is one more beside as many that are",
        excused=held("vectorised loops"),
    ),
    "vector width": Rule("half the width is half the arithmetic", more_is_worse=False),
    "packed arithmetic": Rule(_UNROLLED, more_is_worse=False, excused=some("packed arithmetic")),
    "packed FMA": Rule(_UNROLLED, more_is_worse=False, excused=some("packed FMA")),
    "float64 arithmetic in loops": Rule("half as many fit into a vector"),
    "peak temporary bytes": Rule("Python's own objects come and go", 0.01, 1024, noise=1024, unit="B"),
    "result bytes": Rule("the contract gives shapes and dtypes", unit="B"),
    "error": Rule("another order of a sum moves it by as much", 1.0, 1.0, noise=0.05, unit="ulps"),
}
_EXACT = Rule("unknown to this table, so exact")


def compare(base: Figures, head: Figures) -> list[Difference]:
    """Every figure that differs, in the order of the base's; those better too, and those that one side lacks."""
    names = [name for name in dict.fromkeys((*base, *head)) if name not in (NOT_READ, LISTING)]
    return [difference for name in names for difference in _differences(name, base, head)]


def unread(base: Figures, head: Figures) -> str:
    """Which figures could not be read on either side, and why; those that one side lacks are differences."""
    reasons: dict[str, list[str]] = {}
    for name, reason in base.get(NOT_READ, {}).items():
        if name in head.get(NOT_READ, {}):
            reasons.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)} not read: {reason}" for reason, names in reasons.items())


def _differences(name: str, base: Figures, head: Figures) -> Iterator[Difference]:
    before, after = base.get(name), head.get(name)
    if before == after:
        return
    if before is None or after is None:
        reasons = (base if before is None else head).get(NOT_READ, {})
        why = reasons.get(name, "not among its figures")
        text = f"{name} {_told(name, before)} -> {_told(name, after)}: {why}"
        yield Difference(name, before, after, after is None, text)
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _counted(before, after)
    elif isinstance(before, str):
        yield Difference(name, before, after, True, f"{name} {before} -> {after}")
    else:
        rule = RULES.get(name, _EXACT)
        if abs(after - before) > rule.noise:
            worse = rule.worse(before, after) and not rule.excused(base, head)
            yield Difference(name, before, after, worse, _text(name, before, after))


def _counted(base: Figures, head: Figures) -> Iterator[Difference]:
    """Instructions by name: they explain what the other figures weigh, so none of them is worse by itself."""
    for name in sorted({*base, *head}):
        before, after = base.get(name, 0), head.get(name, 0)
        if before != after:
            yield Difference(f"instructions: {name}", before, after, False, f"{name} {before} -> {after}")


def _text(name: str, base: float, head: float) -> str:
    unit = RULES.get(name, _EXACT).unit
    if unit == "ulps":
        return f"{name} {base:.3g} -> {head:.3g} ulps"
    text = f"{name} {_told(name, base)} -> {_told(name, head)}"
    if unit in SCALED and base:
        change = 100 * (head - base) / base
        text += f" ({change:+.{0 if abs(change) >= 10 else 1}f} %)"
    return text


def _told(name: str, value: Any) -> str:
    unit = RULES.get(name, _EXACT).unit
    if isinstance(value, int | float) and unit in SCALED:
        return scaled(value, unit)
    return "none" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def scaled(count: float, unit: str) -> str:
    """`1.2 MB`, in powers of ten."""
    for power, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= power:
            return f"{count / power:.3g} {prefix}{unit}"
    return f"{count:.0f} {unit}"

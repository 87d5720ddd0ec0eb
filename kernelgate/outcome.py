"""What the gate says of a row in the end: what the clock allows one to say, and the exact figures beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .reading import ARMS
from .structure.differences import LISTING, Difference, compare, unread
from .verdict import Evidence, Verdict, within

# What was read of a row, by arm: `figures`, or the `problem` why there are none; nothing where time ended first.
Read = Mapping[str, Mapping[str, Any]]
TOO_LATE = "the budget ended first"


@dataclass(frozen=True)
class Outcome:
    """What the gate says of a row, and from what. `structure` is None where no exact figures were wanted or had."""

    row: str
    verdict: Verdict
    margin: float
    head: Evidence | None = None
    control: Evidence | None = None
    base_seconds: float | None = None
    reason: str = ""
    structure: tuple[Difference, ...] | None = None
    # Base's and head's program, where they differ.
    listing: tuple[str, str] | None = None
    # Which exact figures neither side gave, and why.
    unread: str = ""


def not_comparable(row: str, margin: float, problem: str) -> Outcome:
    """Of a row that could not be measured, `problem` says on which side: what head cannot do fails."""
    broken = Verdict.FAIL if problem.startswith(("head", "the process")) else Verdict.INCONCLUSIVE
    return Outcome(row, broken, margin, reason=f"not comparable: {problem}")


def judged(clocked: Outcome, read: Read | None, confirmed: Verdict | None, distrusted: str) -> Outcome:
    """What holds by the exact figures and the clock.

    `read` is None where no figures were wanted. `confirmed` is what a suspect was found to be; `distrusted` says why no
    clock of the run is to be believed.
    """
    base, head = ((read or {}).get(arm, {}).get("figures") for arm in ARMS)
    exact = clocked
    if base and head:
        listings = base[LISTING], head[LISTING]
        exact = replace(
            clocked,
            structure=tuple(compare(base, head)),
            listing=None if listings[0] == listings[1] else listings,
            unread=unread(base, head),
        )
    verdict, reason = _verdict(exact, "" if read is None else _unreadable(read), confirmed, distrusted)
    return replace(exact, verdict=verdict, reason=reason)


def _unreadable(read: Read) -> str:
    """Of which side there are no figures, and why."""
    problems = {arm: read.get(arm, {"problem": TOO_LATE}).get("problem") for arm in ARMS}
    return "; ".join(f"{arm}: {problem}" for arm, problem in problems.items() if problem)


def _verdict(outcome: Outcome, unreadable: str, confirmed: Verdict | None, distrusted: str) -> tuple[Verdict, str]:
    """The verdict, and the reason beside it."""
    # Exact figures have no noise to be excused by, and need no clock.
    if worse := "; ".join(difference.text for difference in outcome.structure or () if difference.worse):
        return Verdict.FAIL, worse
    if outcome.head is None or outcome.control is None:
        return Verdict.INCONCLUSIVE, "the budget ended before two processes"
    decided = within(outcome.head, outcome.control, outcome.margin)
    verdict = confirmed or (Verdict.PASS if decided else Verdict.INCONCLUSIVE)
    if verdict is Verdict.FAIL and distrusted:
        return Verdict.INVALID, f"slower by a clock that is not to be believed: {distrusted}"
    if verdict is Verdict.PASS and unreadable:
        return Verdict.INCONCLUSIVE, f"exact figures cannot be read of {unreadable}"
    return verdict, ""

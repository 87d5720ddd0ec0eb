"""What a set of measurements allows one to say: the statistics of the gate, apart from how it measures.

One number a process goes in: the median log-ratio of its blocks. Rounds within a process are not independent and share
where its arrays and code happen to lie, so inference is over processes (Kalibera and Jones 2013). Beside a busy
neighbour one process in ten is off by tens of per cent, so means are trimmed: Student's t of a trimmed mean and its
winsorised error (Tukey and McLaughlin 1963), which is Student's plain t where there are few processes. Where there are
more, signed ranks are heard too.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from statistics import fmean

from scipy.special import stdtr, stdtrit

# The chance of one false FAIL or more in a whole suite of unchanged code; and of a false PASS each time that one looks
# at a row which is slower than its margin by next to nothing, and scatters like its control.
FALSE_FAIL = 0.01
FALSE_PASS = 0.05
# A row is suspect once ratios so high would be so unlikely if it were within its margin. A suspect is measured anew and
# what there is of it is lost, so a row that is merely too noisy to tell had better be looked at again.
SUSPICION = 0.25
# How often a slowdown of the size that a row states as detectable would be found.
POWER = 0.8
# From so many processes on, an eighth of them is trimmed at each end: enough for one neighbour's burst in eight, and on
# quiet machines a few per cent more processes.
LEAST_TRIMMED = 10
TRIMMED_OF = 8


class Verdict(StrEnum):
    """What the gate says of a row, worst first."""

    FAIL = "FAIL"
    INVALID = "INVALID"
    MISSING = "MISSING"
    INCONCLUSIVE = "INCONCLUSIVE"
    NEW = "NEW"
    PASS = "PASS"


@dataclass(frozen=True)
class Evidence:
    """The log-ratios of one row, a process each: 0.03 is 3 % slower. At least two processes."""

    ratios: tuple[float, ...]

    @functools.cached_property
    def _ordered(self) -> list[float]:
        return sorted(self.ratios)

    @property
    def ratio(self) -> float:
        """The estimate: how many times as long as the base."""
        return math.exp(self.mean)

    @property
    def trimmed(self) -> int:
        """How many of the lowest, and as many of the highest, count as no further off than the next one."""
        return len(self.ratios) // TRIMMED_OF if len(self.ratios) >= LEAST_TRIMMED else 0

    @property
    def mean(self) -> float:
        """The trimmed mean log-ratio."""
        cut = self.trimmed
        return fmean(self._ordered[cut : len(self.ratios) - cut])

    @property
    def error(self) -> float:
        """Standard error of the trimmed mean. Never quite 0, as if the clock were exact to 0.01 %."""
        cut, count = self.trimmed, len(self.ratios)
        kept = self._ordered[cut : count - cut]
        winsorised = kept[:1] * cut + kept + kept[-1:] * cut
        centre = fmean(winsorised)
        deviation = max(math.hypot(*(x - centre for x in winsorised)) / math.sqrt(count - 1), 1e-4)
        return deviation / (1 - 2 * cut / count) / math.sqrt(count)

    @property
    def freedom(self) -> int:
        """Degrees of freedom; one less than usual of a trimmed mean, whose tails are else heavier than Student's."""
        cut = self.trimmed
        return len(self.ratios) - 2 * cut - 1 - (cut > 0)

    def interval(self, confidence: float = 0.99) -> tuple[float, float]:
        """The ratios between which the true one lies with that confidence, by the tests that the verdict rests on."""
        beyond = (1 - confidence) / 2 / (2 if self.trimmed else 1)
        reach = self._quantile(1 - beyond) * self.error
        low, high = self.mean - reach, self.mean + reach
        if self.trimmed:
            by_rank_low, by_rank_high = signed_rank_interval(self.ratios, beyond)
            low, high = min(max(low, by_rank_low), self.mean), max(min(high, by_rank_high), self.mean)
        return math.exp(low), math.exp(high)

    def chance_if_slower(self, margin: float, control: Evidence) -> float:
        """The chance of ratios this low or lower if the slowdown were the margin: small where it is within.

        The control, in the same processes, is taken to scatter alike: two processes by themselves tell next to nothing
        of how far ratios scatter. Where it scatters less, the error is still no smaller than the row's own.
        """
        pooled = math.hypot(self.error, control.error) / math.sqrt(2)
        return self._chance(-1, margin, max(self.error, pooled), self.freedom + control.freedom)

    def chance_if_unchanged(self, margin: float) -> float:
        """The chance of ratios this high or higher if the slowdown were no more than the margin: small where it is."""
        return self._chance(1, margin, self.error, self.freedom)

    def _chance(self, sign: int, margin: float, error: float, freedom: int) -> float:
        """By Student's t; from LEAST_TRIMMED processes on twice the smaller of that and the signed ranks' chance."""
        student = float(stdtr(freedom, -sign * (self.mean - math.log1p(margin)) / error))
        if not self.trimmed:
            return student
        return min(1.0, 2 * min(student, signed_rank([sign * (x - math.log1p(margin)) for x in self.ratios])))

    def detectable(self, margin: float, false_fail: float = FALSE_FAIL) -> float:
        """The smallest slowdown that this many processes this noisy would have found: 0.05 is 5 %."""
        reach = (self._quantile(1 - false_fail) + self._quantile(POWER)) * self.error
        return math.expm1(math.log1p(margin) + reach)

    def _quantile(self, share: float) -> float:
        return float(stdtrit(self.freedom, share))


def signed_rank(distances: Sequence[float]) -> float:
    """The chance of distances this far above 0 or further if they were symmetric about it (Wilcoxon 1945), exactly.

    Head and base are measured alike, so the log-ratio of equally fast code is as often above 0 as below by as much,
    however it scatters. A few processes that are far off, which blur any mean, have the highest ranks and no more.
    """
    ranked = sorted(distances, key=abs)
    below = sum(rank for rank, distance in enumerate(ranked, 1) if distance <= 0)
    return _subsets_up_to(len(ranked))[below]


def signed_rank_interval(ratios: Sequence[float], beyond: float) -> tuple[float, float]:
    """The centres of symmetry that `signed_rank` rejects on neither side at that chance, by Walsh's averages of pairs.

    As many of them lie below a centre as the ranks of the ratios below it come to.
    """
    averages = sorted((a + b) / 2 for i, a in enumerate(ratios) for b in ratios[i:])
    rejected = bisect_right(_subsets_up_to(len(ratios)), beyond)
    return (averages[rejected - 1], averages[-rejected]) if rejected else (-math.inf, math.inf)


@functools.cache
def _subsets_up_to(count: int) -> tuple[float, ...]:
    """For each sum, the share of the subsets of 1, 2, ... `count` that come to no more."""
    ways = [1]
    for rank in range(1, count + 1):
        longer = [*ways, *[0] * rank]
        ways = [way + (longer[total - rank] if total >= rank else 0) for total, way in enumerate(longer)]
    return tuple(total / 2**count for total in accumulate(ways))


def within(evidence: Evidence, control: Evidence, margin: float) -> bool:
    """Whether the row is shown to be no slower than the margin."""
    return evidence.chance_if_slower(margin, control) < FALSE_PASS


def holm(chances: Mapping[str, float], level: float) -> set[str]:
    """The rows to reject so that the chance of one false rejection or more is at most `level` (Holm 1979)."""
    rejected: set[str] = set()
    for name in sorted(chances, key=lambda row: chances[row]):
        if chances[name] > level / (len(chances) - len(rejected)):
            break
        rejected.add(name)
    return rejected


def spent(look: int) -> float:
    """The share of the chance of a false FAIL that a look may spend: a half, a quarter, and so on, 1 in all.

    Bonferroni over the looks: the chance holds whenever one stops looking, and however looks depend on each other.
    """
    return 0.5 ** (look + 1)


def judge(
    confirmed: Mapping[str, Evidence], controls: Mapping[str, Evidence], margins: Mapping[str, float], level: float
) -> dict[str, Verdict]:
    """Verdicts of rows measured afresh after they had become suspect; `level` is spent on all of them together.

    The control is identical code, judged by the same rule: where it fails, the row's clock cannot be believed.
    """
    slower = holm({row: evidence.chance_if_unchanged(margins[row]) for row, evidence in confirmed.items()}, level)
    moved = holm({row: evidence.chance_if_unchanged(margins[row]) for row, evidence in controls.items()}, level)
    verdicts = {}
    for row, evidence in confirmed.items():
        if row in moved:
            verdicts[row] = Verdict.INVALID
        elif row in slower:
            verdicts[row] = Verdict.FAIL
        else:
            verdicts[row] = Verdict.PASS if within(evidence, controls[row], margins[row]) else Verdict.INCONCLUSIVE
    return verdicts


def suspects(screened: Mapping[str, Evidence], margins: Mapping[str, float]) -> list[str]:
    """Rows that seem slower than their margin: these are measured afresh before anything is said of them."""
    return [row for row, evidence in screened.items() if evidence.chance_if_unchanged(margins[row]) < SUSPICION]

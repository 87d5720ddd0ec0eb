"""What a set of measurements allows one to say: the statistics of the gate, apart from how it measures.

One number a process goes in: the median log-ratio of its blocks. Rounds within a process are not independent and share
where its arrays and code happen to lie, so inference is over processes (Kalibera and Jones 2013).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import stdtr, stdtrit

# The chance of one false FAIL or more in a whole suite of unchanged code, and of a false PASS in one row.
FALSE_FAIL = 0.01
FALSE_PASS = 0.05
# How often a slowdown of the size that a row states as detectable would be found.
POWER = 0.8


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

    @property
    def ratio(self) -> float:
        """The estimate: how many times as long as the base."""
        return math.exp(np.mean(self.ratios))

    @property
    def error(self) -> float:
        """Standard error of the mean log-ratio. Never quite 0, as if the clock were exact to 0.01 %."""
        return max(float(np.std(self.ratios, ddof=1)), 1e-4) / math.sqrt(len(self.ratios))

    def interval(self, confidence: float = 0.99) -> tuple[float, float]:
        """The ratios between which the true one lies with that confidence (Student's t)."""
        reach = self._quantile(0.5 + confidence / 2) * self.error
        return math.exp(np.mean(self.ratios) - reach), math.exp(np.mean(self.ratios) + reach)

    def chance_if_slower(self, margin: float) -> float:
        """The chance of ratios this low or lower if the slowdown were the margin: small where it is within."""
        return float(stdtr(len(self.ratios) - 1, self._distance(margin)))

    def chance_if_unchanged(self, margin: float) -> float:
        """The chance of ratios this high or higher if the slowdown were no more than the margin: small where it is."""
        return float(stdtr(len(self.ratios) - 1, -self._distance(margin)))

    def detectable(self, margin: float, false_fail: float = FALSE_FAIL) -> float:
        """The smallest slowdown that this many processes this noisy would have found: 0.05 is 5 %."""
        reach = (self._quantile(1 - false_fail) + self._quantile(POWER)) * self.error
        return math.expm1(math.log1p(margin) + reach)

    def _distance(self, margin: float) -> float:
        return float((np.mean(self.ratios) - math.log1p(margin)) / self.error)

    def _quantile(self, share: float) -> float:
        return float(stdtrit(len(self.ratios) - 1, share))


def within(evidence: Evidence, margin: float) -> bool:
    """Whether the row is shown to be no slower than the margin."""
    return evidence.chance_if_slower(margin) < FALSE_PASS


def holm(chances: Mapping[str, float], level: float) -> set[str]:
    """The rows to reject so that the chance of one false rejection or more is at most `level` (Holm 1979)."""
    rejected: set[str] = set()
    for name in sorted(chances, key=lambda row: chances[row]):
        if chances[name] > level / (len(chances) - len(rejected)):
            break
        rejected.add(name)
    return rejected


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
            verdicts[row] = Verdict.PASS if within(evidence, margins[row]) else Verdict.INCONCLUSIVE
    return verdicts


def suspects(screened: Mapping[str, Evidence], margins: Mapping[str, float]) -> list[str]:
    """Rows more likely slower than the margin than not: these are measured afresh before anything is said of them."""
    return [row for row, evidence in screened.items() if evidence.ratio > 1 + margins[row]]

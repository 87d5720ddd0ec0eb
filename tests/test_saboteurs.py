"""The checks can fail: each kernel's rejects zeros, negated, rounded and shifted answers, and each argument ignored."""

import hypothesis
import pytest

from kernelgate.equivalence import prove, saboteurs
from kernelgate.judging import Mismatch

pytestmark = pytest.mark.subjects(backends=("reference",))


def reject_all(subject):
    accepted = []
    for name, saboteur in saboteurs(subject):
        try:
            prove(subject, saboteur, derandomize=True, database=None, phases=[hypothesis.Phase.generate])
        except Mismatch:
            continue
        accepted.append(name)
    assert not accepted, f"the check of {subject.folder.name} accepts {accepted}"


def test_kernel(subject):
    reject_all(subject)


def test_prefill(subject):
    reject_all(subject)


def test_decode(subject):
    reject_all(subject)


def test_generate(subject):
    reject_all(subject)

"""Every implementation of every operation computes what its reference computes in float64."""

from kernelgate.equivalence import prove


def test_kernel(subject):
    prove(subject)


def test_prefill(subject):
    prove(subject)


def test_decode(subject):
    prove(subject)


def test_generate(subject):
    prove(subject)

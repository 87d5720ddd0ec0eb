"""Every implementation of every operation on the cases of real models, timed and checked in the same run."""

import pytest


def test_kernel(measure):
    measure()


def test_prefill(measure):
    measure()


def test_decode(measure):
    measure()


@pytest.mark.benchmark(min_rounds=2)
def test_generate(measure):
    measure()

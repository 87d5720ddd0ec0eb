"""Every implementation of every operation on the cases of real models, timed and checked in the same run."""

import pytest


def test_kernel(measure):
    measure()

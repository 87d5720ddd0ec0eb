"""Programs of teams for `test_team`: in a module of their own, since collecting the tests must not import Numba."""

import numpy as np
from numba import njit

from impls.simd.team import Team, meet, next_step, threads_of

# A place of its own for each thread.
APART = 16


@njit
def _rounds(team, rank, rounds, shared, wrong):
    """In each round everybody writes, all meet, everybody checks what all wrote, and all meet."""
    for turn in range(rounds[0]):
        shared[rank * APART] = turn * (rank + 1)
        meet(team)
        total = 0
        for other in range(threads_of(team)):
            total += shared[other * APART]
        threads = threads_of(team)
        if total != turn * (threads * (threads + 1) // 2):
            wrong[rank * APART] += 1
        meet(team)


@njit(nogil=True)
def lead(team, rounds, shared, wrong):
    meet(team)
    _rounds(team, 0, rounds, shared, wrong)
    meet(team)
    return shared[0]


@njit(nogil=True)
def reside(team, rank, rounds, shared, wrong):
    while next_step(team):
        _rounds(team, rank, rounds, shared, wrong)
        meet(team)


@njit
def _fail(rank, failing):
    if failing[0] == rank:
        raise ArithmeticError("planted")


@njit(nogil=True)
def lead_or_fail(team, failing, result, given):
    meet(team)
    result[0] += given
    _fail(0, failing)
    meet(team)
    return given * 2


@njit(nogil=True)
def reside_or_fail(team, rank, failing, result):
    while next_step(team):
        result[rank] += 10
        _fail(rank, failing)
        meet(team)


def checking(rounds, shared, wrong, threads):
    """A team that counts in `wrong` what its threads did not see of each other."""
    return Team(lead, reside, (np.array([rounds]), shared, wrong), threads)


def failing(rank, result):
    """A team of two that adds to `result`, whose thread `rank[0]` fails."""
    return Team(lead_or_fail, reside_or_fail, (rank, result), 2)


def with_the_gil(place):
    """A team whose function at `place` keeps the GIL."""
    return Team(**{"lead": lead, "reside": reside, place: njit(lambda team: None)})

"""A team of threads that run one compiled function together, for work too short to start threads for.

Resident threads wait inside compiled code, without the GIL. A step takes two meetings of about 0.1 us (all begin, all
have ended) and as many between as it needs, where a parallel region of Numba takes 1 to 80 us by threading layer.

    @njit                                                   # what each thread does, by its rank
    def work(team, rank, x): ...; meet(team); ...

    @njit("void(int64[::1], float32[::1])", nogil=True, cache=True)
    def lead(team, x): meet(team); work(team, 0, x); meet(team)

    @njit("void(int64[::1], int64, float32[::1])", nogil=True, cache=True)
    def reside(team, rank, x):
        while next_step(team): work(team, rank, x); meet(team)

    team = Team(lead, reside, (x,))
    team.step()

Needs POSIX (`sched_yield`, `usleep`).
"""

import os
import threading
import weakref

import numba
import numpy as np
from numba import njit

from .atomics import atomic_add, atomic_load, pause, sleep_microseconds, yield_processor

# The team's words, each on cache lines of its own (processors fetch them in pairs).
_ARRIVED, _STATE, _THREADS, _WORDS = 0, 16, 32, 48
_RUNNING, _CLOSED, _FAILED, _FORKED = 0, 1, 2, 3
# About 5 us: where the system has put two threads on one processor, they would wait so long for each other each time.
_SPINS = 200
# Then about 0.2 ms: from one step to the next nothing sleeps, and nothing burns on.
_YIELDS = 500
_LONGEST_NAP = 2000
_STATES = {_CLOSED: "it was closed", _FAILED: "it failed in an earlier step", _FORKED: "a fork left its threads behind"}

_teams: "weakref.WeakSet[Team]" = weakref.WeakSet()


@njit
def threads_of(team):
    """How many threads the team has."""
    return team[_THREADS]


@njit
def meet(team):
    """Wait until all threads of the team are here; what they wrote before is seen after. RuntimeError if one failed."""
    due = _arrive(team)
    waited = 0
    while atomic_load(team, _ARRIVED) < due:
        if atomic_load(team, _STATE) != _RUNNING:
            raise RuntimeError("another thread of the team has failed")
        waited += 1
        if waited < _SPINS:
            pause()
        else:
            yield_processor()


@njit
def next_step(team):
    """Wait, at rest after a while, until the leader begins a step; False when the team is dissolved."""
    due = _arrive(team)
    waited = 0
    nap = 16
    while atomic_load(team, _ARRIVED) < due:
        if atomic_load(team, _STATE) != _RUNNING:
            return False
        waited += 1
        if waited < _SPINS:
            pause()
        elif waited < _SPINS + _YIELDS:
            yield_processor()
        else:
            sleep_microseconds(np.uint32(nap))
            nap = min(nap * 2, _LONGEST_NAP)
    return True


@njit
def _arrive(team):
    """Count this thread in; returns the count at which all of this meeting are there."""
    before = atomic_add(team, _ARRIVED, 1)
    return before - before % team[_THREADS] + team[_THREADS]


class Team:
    """`threads` threads, the caller's among them, that run steps of one compiled function on the same arguments.

    lead: `(words, *arguments, *given to step)`, meets, works as rank 0, meets.
    reside: `(words, rank, *arguments)`, does its part while `next_step`. Both njit with `nogil=True`. One function may
    be both, and so be compiled once: it gets rank 0 as the leader.
    threads: Numba's number by default. One thread works as well, and waits for nobody.

    A team whose step raised is dissolved: its threads are out of step. Not to be called from several threads at once.
    """

    def __init__(self, lead, reside, arguments=(), threads=None):
        threads = numba.get_num_threads() if threads is None else threads
        if threads < 1:
            raise ValueError(f"threads: is {threads}, expected at least 1")
        for name, function in (("lead", lead), ("reside", reside)):
            # With the GIL held by one thread, another that raises could not say so.
            if not function.targetoptions.get("nogil"):
                raise ValueError(f"{name}: {function.__name__} is compiled without nogil=True")
        self.threads = threads
        self._lead, self._arguments = lead, tuple(arguments)
        self._led = (0, *self._arguments) if lead is reside else self._arguments
        self._words = np.zeros(_WORDS, np.int64)
        self._words[_THREADS] = threads
        self._errors: list[BaseException] = []
        residents = [
            threading.Thread(
                target=_reside,
                args=(reside, self._words, rank, self._arguments, self._errors),
                name=f"team-{rank}",
                daemon=True,
            )
            for rank in range(1, threads)
        ]
        # Also at the interpreter's exit: threads in compiled code must be gone before it takes their arrays.
        self._close = weakref.finalize(self, _dissolve, self._words, residents)
        if residents:
            _teams.add(self)
        for resident in residents:
            resident.start()

    def step(self, *given):
        """One step of all threads, and what `lead` returns; RuntimeError from the error of the thread that failed."""
        if state := self._words[_STATE]:
            raise RuntimeError(f"the team cannot take a step: {_STATES[int(state)]}; make a new one") from self._cause()
        try:
            return self._lead(self._words, *self._led, *given)
        except BaseException:
            failed_before = self._words[_STATE] == _FAILED
            self._words[_STATE] = _FAILED
            self._close()
            if failed_before:
                raise RuntimeError("a thread of the team has failed") from self._cause()
            raise

    def close(self):
        """Dissolve the team; its threads have ended when this returns."""
        self._close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _cause(self):
        return self._errors[0] if self._errors else None


def _reside(reside, words, rank, arguments, errors):
    try:
        reside(words, rank, *arguments)
    except BaseException as error:
        # To be raised where the step was asked for: an error in a thread has nobody to catch it.
        errors.append(error)
        if words[_STATE] == _RUNNING:
            words[_STATE] = _FAILED


def _dissolve(words, residents):
    if words[_STATE] == _RUNNING:
        words[_STATE] = _CLOSED
    for resident in residents:
        resident.join()


def _forked():
    for team in _teams:
        team._words[_STATE] = _FORKED


os.register_at_fork(after_in_child=_forked)

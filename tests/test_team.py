"""Teams of threads: they meet, they see each other's work, they fail aloud and leave nothing behind."""

import gc
import importlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kernelgate.devices import installed

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not installed("numba"), reason="needs numba")

EARLIER: list[threading.Thread] = []


@pytest.fixture(scope="module")
def compiled():
    """What needs Numba, which collecting must not import."""
    return importlib.import_module("compiled_teams")


@pytest.mark.parametrize(("threads", "rounds", "steps"), [(1, 1000, 20), (2, 500, 40), (3, 20, 5)])
def test_all_threads_see_what_all_have_written(compiled, threads, rounds, steps):
    """Also with more threads than processors, where a thread that waits must let the others run."""
    shared, wrong = np.full((2, threads * compiled.APART), 0)
    with compiled.checking(rounds, shared, wrong, threads) as team:
        assert team.threads == threads
        for _ in range(steps):
            assert team.step() == rounds - 1
    assert not wrong.any()
    assert (shared[:: compiled.APART] == (rounds - 1) * np.arange(1, threads + 1)).all()


@pytest.fixture
def failing(compiled):
    """A team of two, the rank that is to fail (none at first), and what its threads add to."""
    rank, result = np.array([-1]), np.zeros(2, np.int64)
    team = compiled.failing(rank, result)
    yield team, rank, result
    team.close()


@pytest.fixture(autouse=True)
def earlier():
    """Threads of models that other tests still hold."""
    EARLIER[:] = threading.enumerate()


def residents():
    return [thread for thread in threading.enumerate() if thread.name.startswith("team-") and thread not in EARLIER]


def test_a_step_takes_arguments_and_gives_a_result(failing):
    team, _, result = failing
    assert [team.step(given) for given in (1, 2)] == [2, 4]
    assert result.tolist() == [3, 20]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_thread_that_fails_is_heard_and_the_team_is_dissolved(failing, rank):
    team, chosen, _ = failing
    team.step(1)
    chosen[0] = rank
    with pytest.raises((ArithmeticError, RuntimeError)) as found:
        team.step(1)
    cause = found.value if rank == 0 else found.value.__cause__
    assert isinstance(cause, ArithmeticError)
    assert str(cause) == "planted"
    assert not residents()
    with pytest.raises(RuntimeError, match="the team cannot take a step: it failed in an earlier step; make a new one"):
        team.step(1)


def test_a_closed_team_takes_no_step(failing):
    team, _, _ = failing
    team.step(1)
    team.close()
    team.close()
    assert not residents()
    with pytest.raises(RuntimeError, match="it was closed; make a new one"):
        team.step(1)


def test_a_team_that_is_dropped_ends_its_threads(compiled):
    team = compiled.failing(np.array([-1]), np.zeros(2, np.int64))
    team.step(1)
    assert residents()
    del team
    gc.collect()
    assert not residents()


def test_a_team_at_rest_uses_little_of_a_processor(failing):
    team, _, _ = failing
    team.step(1)
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(0.5)
    # A thread that spun on would use all of it.
    assert time.process_time() - before < 0.25
    assert team.step(3) == 6


@pytest.mark.parametrize("place", ["lead", "reside"])
def test_what_holds_the_gil_is_told(compiled, place):
    with pytest.raises(ValueError, match=f"{place}: <lambda> is compiled without nogil=True"):
        compiled.with_the_gil(place)


def test_a_team_of_nobody_is_told(compiled):
    with pytest.raises(ValueError, match="threads: is 0, expected at least 1"):
        compiled.checking(1, np.zeros(1, np.int64), np.zeros(1, np.int64), 0)


SCRIPT = """
import os
import numpy as np
from numba import njit
from impls.simd.team import Team, meet, next_step

@njit(nogil=True)
def lead(team, x):
    meet(team); x[0] += 1; meet(team)

@njit(nogil=True)
def reside(team, rank, x):
    while next_step(team): meet(team)

x = np.zeros(1)
team = Team(lead, reside, (x,), 2)
team.step()
"""


def run(script):
    return subprocess.run([sys.executable, "-c", SCRIPT + script], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_interpreter_exits_with_a_team_at_work():
    ended = run("print('last line')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "last line\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_is_told_that_the_threads_stayed_behind():
    ended = run(
        "import sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        team.step()\n"
        "    except RuntimeError as error:\n"
        "        print(error, flush=True)\n"
        "    sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "team.step()\n"
        "print(x[0])\n"
    )
    expected = "the team cannot take a step: a fork left its threads behind; make a new one\n2.0\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, expected, "")

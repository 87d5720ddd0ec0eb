"""Plants in Numba: each is found in the machine code or the signatures, and named."""

import subprocess
import sys
from runpy import run_path

import numpy as np
import pytest
from structure_plants import COLUMNS, ROWS, needs_numba, reader, worse

from kernelgate.structure.allocations import peak_temporary_bytes
from kernelgate.structure.numba_assembly import Hot, hot_loop
from kernelgate.structure.numba_functions import entered

MEBIBYTE = 2**20


@pytest.fixture
def structure(tmp_path, monkeypatch):
    return reader(tmp_path, monkeypatch)


NUMBA = """
import numpy as np
from numba import jit, njit

@njit({options}error_model="numpy")
def rows(x, result):
    for row in range(x.shape[0]):
        total = np.float32(0)
        for i in range(x.shape[1]):
            total += x[row, i] * x[row, i]
        scale = np.float32(1) / np.sqrt(total / np.float32(x.shape[1]) + np.float32(1))
        for i in range(x.shape[1]):
            result[row, i] = x[row, i] * scale

def scaled(x):
    result = np.empty_like(x)
    rows(x, result)
    return result
"""
FAST = 'fastmath={"reassoc", "contract", "nsz", "arcp"}, '
NUMBA_FAST = NUMBA.format(options=FAST)


@needs_numba
class TestNumba:
    def plant(self, structure, *changes, source=NUMBA_FAST):
        """What becomes worse where each `(old, new)` of the source is replaced."""
        head = source
        for old, new in changes:
            assert old in head
            head = head.replace(old, new)
        return worse(structure("numba_base", source), structure("numba_head", head))

    @pytest.mark.parametrize("parallel", ["", "parallel=True, "])
    def test_a_loop_that_is_no_longer_vectorised(self, structure, parallel):
        source = NUMBA.format(options=FAST + parallel)
        if parallel:
            source = source.replace("jit, njit", "jit, njit, prange").replace("for row in range", "for row in prange")
        found = self.plant(structure, (FAST, ""), source=source)
        assert "compilations a call" not in found
        assert found["scalar loops"].base == 0

    def test_no_loop_is_vectorised_any_more(self, structure):
        dependent = ("x[row, i] * scale", "x[row, i] * scale + result[row, max(i - 1, 0)] * np.float32(0)")
        found = self.plant(structure, (FAST, ""), dependent)
        assert found["scalar loops"].head > 1
        if "vector width" in found:
            assert found["vector width"].head == found["packed arithmetic"].head == 0

    def test_an_allocation_in_the_loop(self, structure):
        found = self.plant(structure, ("total += x[row, i] * x[row, i]", "total += (x[row, i : i + 1] * x[row, i])[0]"))
        assert found["allocations"].head - found["allocations"].base == ROWS * COLUMNS

    def test_a_second_signature(self, structure):
        twice = ("    rows(x, result)", "    rows(x[:1], result[:1])\n    rows(np.asfortranarray(x[1:]), result[1:])")
        assert self.plant(structure, twice)["compiled signatures"].text == "compiled signatures 1 -> 2"

    def test_float64_in_the_loop(self, structure):
        found = self.plant(structure, ("= x[row, i] * scale", "= x[row, i] * scale * 1.1"))
        assert found["float64 arithmetic in loops"].base == 0

    def test_object_mode(self, structure):
        assert (
            self.plant(structure, (f"@njit({FAST}", "@jit(forceobj=True, "))["object mode"].text == "object mode 0 -> 1"
        )

    def test_a_compilation_a_call(self, structure):
        found = self.plant(structure, ("    rows(x, result)", "    njit(rows.py_func)(x, result)"))
        assert found["compilations a call"].text == "compilations a call 0 -> 1"

    def test_what_is_read_is_what_the_call_enters(self, structure):
        """A function beside it that the call does not enter changes nothing."""
        assert not self.plant(structure, ("def scaled", "@njit\ndef other(x):\n    return x.sum()\n\ndef scaled"))

    def test_numba_is_left_as_it_was(self, structure):
        from numba.core.dispatcher import Dispatcher

        before = vars(Dispatcher).get("__call__")
        structure("numba_base", NUMBA_FAST)
        assert vars(Dispatcher).get("__call__") is before


ALLOCATING = """
import threading
import time
import numpy as np
from numba import njit
from impls.simd.atomics import atomic_load
from kernelgate.structure.allocations import peak_temporary_bytes

@njit("float64(int64[::1])", nogil=True)
def reside(asked):
    seen, total = 0, 0.0
    while atomic_load(asked, 1) == 0:
        if atomic_load(asked, 0) != seen:
            seen = atomic_load(asked, 0)
            space = np.full(64, 1.0)
            total += space[seen % 64]
    return total

asked = np.zeros(2, np.int64)
def call():
    asked[0] += 1
    sum(range(10000))  # with the GIL, which the thread then waits for
resident = threading.Thread(target=reside, args=(asked,))
resident.start()
for _ in range(20):
    peak_temporary_bytes(call)
    time.sleep(0.01)  # without the GIL, before tracing starts anew
asked[1] = 1
resident.join()
"""


@needs_numba
def test_a_thread_that_allocates_after_the_call_does_not_crash():
    run = subprocess.run([sys.executable, "-c", ALLOCATING], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, "")


@needs_numba
def test_what_comes_from_numbas_cache_is_read_as_what_was_just_compiled(tmp_path):
    """Numba shows no machine code of what it loads: an empty listing has no vectors to lose."""
    source = tmp_path / "rows_on_disk.py"
    source.write_text(NUMBA.format(options=FAST + "cache=True, "))

    def read():
        scaled = run_path(str(source))["scaled"]
        x = np.ones((ROWS, COLUMNS), np.float32)
        scaled(x)
        (found,) = entered(lambda: scaled(x))
        return found.compiled(), sum(found.dispatcher.stats.cache_hits.values())

    (compiled, none), (loaded, hits) = read(), read()
    assert (none, hits) == (0, 1)
    assert loaded == compiled
    assert loaded.hot.packed_fma


LISTING = """
outer_only:
	vmulps	%zmm0, %zmm1, %zmm2
	retq
rows:
	testq	%rdi, %rdi
	je	.LBB0_4
.LBB0_1:
	vaddps	%zmm7, %zmm8, %zmm8
.LBB0_2:
	vmovups	(%rsi,%rax), {0}mm1
	vmulps	{0}mm1, {0}mm2, {0}mm3
	vfmadd231ps	{0}mm1, {0}mm2, {0}mm3
	addq	$64, %rax
	cmpq	%rax, %rdx
	jne	.LBB0_2
.LBB0_3:
	vmulss	%xmm1, %xmm2, %xmm3
	vcvtss2sd	%xmm1, %xmm1, %xmm1
	decq	%rcx
	jne	.LBB0_3
	decq	%rdi
	jne	.LBB0_1
.LBB0_4:
	retq
"""


@pytest.mark.parametrize(("register", "width"), [("%x", 128), ("%y", 256), ("%z", 512)])
def test_the_hot_loop_of_a_listing(register, width):
    assert hot_loop(LISTING.format(register)) == Hot(width=width, packed=2, packed_fma=1, double=1)


def test_the_text_of_the_hot_loop_numbers_its_labels_itself():
    text = hot_loop(LISTING.format("%y")).text
    assert text.startswith("vmovups\t(%rsi,%rax), %ymm1\n")
    assert text.endswith("jne\tL1")
    assert hot_loop(LISTING.replace("LBB0_", "LBB7_").format("%y")).text == text


@needs_numba
def test_the_listing_shows_what_a_change_did_to_the_hot_loop(structure):
    base, same = structure("numba_base", NUMBA_FAST), structure("numba_same", "# moved\n" + NUMBA_FAST)
    head = structure("numba_head", NUMBA.format(options=""))
    assert "rows:" in base["listing"]
    assert same["listing"] == base["listing"] != head["listing"]


@needs_numba
def test_what_threads_hold_at_a_time_is_not_left_to_chance():
    """Two that overlap hold two arrays, and whether they do is up to the machine."""
    from numba import njit, prange

    @njit(parallel=True)
    def held(count):
        total = 0.0
        for thread in prange(count):
            scratch = np.ones(MEBIBYTE // 8)
            for _ in range(50):
                for i in range(scratch.size):
                    scratch[i] = np.sqrt(scratch[i] + thread)
            total += scratch[thread]
        return total

    held(8)
    assert MEBIBYTE <= peak_temporary_bytes(lambda: held(8)) < 1.5 * MEBIBYTE

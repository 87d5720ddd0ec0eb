"""Structure beside the clock: each planted regression is found and named; the same code twice differs in nothing."""

import importlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelgate.devices import installed
from kernelgate.kernel import DTYPES, Folder, Kernel, Work
from kernelgate.structure import compare, figures
from kernelgate.structure.differences import NOT_READ, RULES
from kernelgate.structure.loops import innermost
from kernelgate.structure.numba_assembly import Hot, hot_loop
from kernelgate.subject import Subject

ROOT = Path(__file__).parent.parent
needs_jax = pytest.mark.skipif(not installed("jax"), reason="needs jax")
needs_numba = pytest.mark.skipif(not installed("numba"), reason="needs numba")

ROWS, COLUMNS = 64, 256
SIZE = ROWS * COLUMNS * 4
REFERENCE = """
import numpy as np
def scaled(x):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1)
"""
KERNEL = Kernel(
    inputs=lambda rng, dtype: (rng.standard_normal((ROWS, COLUMNS)).astype(dtype),),
    work=lambda itemsize: Work(SIZE, 2 * SIZE),
    cases={"only": {}},
    domain={},
    ulps={"f32": 8},
)
names = (f"planted_{number}" for number in itertools.count())


@pytest.fixture
def structure(tmp_path, monkeypatch):
    """The figures of an implementation given as source, in a package of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def read(implementation, source, kernel=KERNEL):
        package = next(names)
        folder = tmp_path / package / "scaled"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "reference.py").write_text(REFERENCE)
        (folder / f"{implementation}.py").write_text(dedent(source))
        importlib.invalidate_caches()
        subject = Subject(Folder(package, "scaled", {"kernel": kernel}), "kernel", implementation, "f32", "cpu")
        placed = subject.place(kernel.inputs(np.random.default_rng(1), DTYPES["f32"]))
        call = subject.bind(placed)
        call()
        found = figures(subject, placed, call)
        assert json.loads(json.dumps(found)) == found
        return found

    return read


def worse(base, head):
    """What became worse, by figure."""
    return {difference.figure: difference for difference in compare(base, head) if difference.worse}


JAX = """
import functools
import jax
import jax.numpy as jnp

def scale(x):
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1)
"""
JAX_PLAIN = JAX + "scaled = jax.jit(scale)\n"


@needs_jax
class TestJax:
    def test_a_recompilation_a_call(self, structure):
        base = structure("jax_base", JAX_PLAIN)
        head = structure("jax_head", JAX + "def scaled(x):\n    return jax.jit(lambda x: scale(x))(x)\n")
        assert base["compilations a call"] == 0
        (difference,) = worse(base, head).values()
        assert difference.text == "compilations a call 0 -> 1"

    def test_float64_within(self, structure):
        leaky = """
        from jax import experimental
        x64 = getattr(experimental, "enable_x64", None) or jax.enable_x64
        inner = jax.jit(lambda x: scale(x.astype(jnp.float64)).astype(jnp.float32))
        def scaled(x):
            with x64(True):
                return inner(x)
        """
        base, head = structure("jax_base", JAX_PLAIN), structure("jax_head", JAX + dedent(leaky))
        assert worse(base, head)["f64 instructions"].text.startswith("f64 instructions 0 -> ")
        assert head["result dtype"] == "float32"

    def test_a_lost_donation(self, structure):
        def source(donated):
            step = f"step = jax.jit(scale, donate_argnums={donated})\n"
            return JAX + step + "def scaled(x):\n    return step(jnp.copy(x))\n"

        difference = worse(structure("jax_base", source("0")), structure("jax_head", source("()")))["aliased bytes"]
        assert (difference.base, difference.head) == (SIZE, 0)
        assert difference.text == "aliased bytes 65.5 kB -> 0 B (-100 %)"

    def test_a_materialised_repeat_of_keys(self, structure):
        keys = "@jax.jit\ndef scaled(x):\n    queries, keys = x.reshape(8, 4, 2, 256), x.reshape(8, 8, 256)\n"
        grouped = "    return jnp.einsum('hgqd,hkd->hgqk', queries, keys)\n"
        repeated = "    return jnp.einsum('nqd,nkd->nqk', queries.reshape(32, 2, 256), jnp.repeat(keys, 4, axis=0))\n"
        found = worse(structure("jax_base", JAX + keys + grouped), structure("jax_head", JAX + keys + repeated))
        assert found["temporary bytes"].head - found["temporary bytes"].base >= 4 * SIZE
        assert found["bytes accessed"].head - found["bytes accessed"].base >= 8 * SIZE

    def test_a_pass_more(self, structure):
        passes = "@jax.jit\ndef scaled(x):\n    return scale(x) + 0 * x.max(axis=-1, keepdims=True)\n"
        found = worse(structure("jax_base", JAX_PLAIN), structure("jax_head", JAX + passes))
        assert found["operations"].head > found["operations"].base
        assert found["bytes accessed"].head - found["bytes accessed"].base >= SIZE

    @pytest.mark.parametrize("loop", ["fori_loop", "scan"])
    def test_a_loop_counts_as_often_as_it_runs(self, structure, loop):
        def source(count, unrolled=False):
            step = "def step(x):\n    return scale(x @ (x.T @ x) * 0.01 + x)\n"
            body = {
                "fori_loop": f"jax.lax.fori_loop(0, {count}, lambda _, x: step(x), x)",
                "scan": f"jax.lax.scan(lambda x, _: (step(x), None), x, None, length={count})[0]",
            }[loop]
            steps = f"functools.reduce(lambda x, _: step(x), range({count}), x)"
            return JAX + step + f"@jax.jit\ndef scaled(x):\n    return {steps if unrolled else body}\n"

        few, many = structure("jax_few", source(12)), structure("jax_many", source(48))
        unrolled = structure("jax_unrolled", source(12, unrolled=True))
        assert many["flops"] / few["flops"] == pytest.approx(4, rel=0.02)
        assert many["bytes accessed"] / few["bytes accessed"] == pytest.approx(4, rel=0.1)
        assert few["flops"] == pytest.approx(unrolled["flops"], rel=0.02)
        assert few["bytes accessed"] == pytest.approx(unrolled["bytes accessed"], rel=0.1)
        assert many["loops of unknown length"] == 0
        assert {"flops", "bytes accessed"} <= worse(few, many).keys()

    def test_a_loop_of_unknown_length_is_said(self, structure):
        source = "@jax.jit\ndef scaled(x):\n    return jax.lax.while_loop(lambda x: x[0, 0] > 9, scale, scale(x))\n"
        base = structure("jax_base", JAX_PLAIN)
        assert worse(base, structure("jax_head", JAX + source))["loops of unknown length"].head == 1

    def test_a_bound_call_of_several_programs(self, structure):
        source = """
        class Model:
            first = staticmethod(jax.jit(scale))
            then = staticmethod(jax.jit(lambda x, half: half * (x + x), static_argnames="half"))
            def step(self, x):
                return self.then(self.first(x), half=0.5)
        """
        bound = Kernel(**vars(KERNEL) | {"bind": bind_model})
        base, head = structure("jax_base", JAX_PLAIN), structure("jax_head", JAX + dedent(source), bound)
        assert head["programs"] == 2
        assert head["compilations a call"] == 0
        assert head["error"] == base["error"]
        assert worse(base, head)["programs"].text == "programs 1 -> 2"

    def test_what_was_compiled_ahead_is_not_called_nothing(self, structure):
        compiled = f"ahead = jax.jit(scale).lower(jnp.ones(({ROWS}, {COLUMNS}))).compile()\n"
        ahead = compiled + "def scaled(x):\n    return ahead(x)\n"
        base, head = structure("jax_base", JAX_PLAIN), structure("jax_head", JAX + ahead)
        assert head["flops"] is None
        assert "compiled when it was bound" in worse(base, head)["flops"].text


def bind_model(module, x):
    """As a spec binds a model's operation; a reference is a plain function."""
    return (lambda: module.Model().step(x)) if hasattr(module, "Model") else lambda: module.scaled(x)


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


NUMPY = """
import numpy as np
import ml_dtypes

def scaled(x):
    squares = x * x
    scale = squares.mean(axis=-1, keepdims=True)
    scale += np.float32(1)
    np.sqrt(scale, out=scale)
    return np.divide(x, scale, out=squares)
"""


class TestNumpy:
    def test_a_temporary_more(self, structure):
        base = structure("numpy_base", NUMPY)
        head = structure("numpy_head", NUMPY.replace(", out=squares", ""))
        (difference,) = worse(base, head).values()
        assert difference.figure == "peak temporary bytes"
        assert difference.head - difference.base == pytest.approx(SIZE, abs=1024)

    def test_a_float64_temporary(self, structure):
        head = NUMPY.replace("squares = x * x", "squares = x * x\n    squares[:] = np.square(x, dtype=np.float64)")
        found = worse(structure("numpy_base", NUMPY), structure("numpy_head", head))
        assert found["peak temporary bytes"].head - found["peak temporary bytes"].base > 2 * SIZE - 1024

    def test_a_result_of_another_dtype(self, structure):
        head = NUMPY.replace("np.divide(x, scale, out=squares)", "np.divide(x, scale, dtype=np.float64)")
        found = worse(structure("numpy_base", NUMPY), structure("numpy_head", head))
        assert found["result dtype"].text == "result dtype float32 -> float64"
        assert found["result bytes"].text == "result bytes 65.5 kB -> 131 kB (+100 %)"

    @pytest.mark.parametrize("allowed", [8, 1e6])
    def test_a_result_rounded_to_bfloat16(self, structure, allowed):
        kernel = Kernel(**vars(KERNEL) | {"ulps": {"f32": allowed}})
        head = NUMPY.replace("return ", "return (") + "    .astype(ml_dtypes.bfloat16).astype(np.float32))"
        found = worse(structure("numpy_base", NUMPY, kernel), structure("numpy_head", head, kernel))
        assert set(found) == {"peak temporary bytes", "error"}
        text = found["error"].text
        assert text.endswith("ulps") if allowed > 8 else "-> none: " in text and text.endswith("ulps, allowed 8")


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.share is not None])
def test_every_rule_can_fail_and_lets_pass(name):
    rule = RULES[name]
    base = {"vectorised loops": 4, "bytes accessed": 10**6, "output bytes": 10**6, name: 10**6}
    step = 10**6 * rule.share + rule.least
    wrong, right = (1, -1) if rule.more_is_worse else (-1, 1)
    beyond = base | {"vectorised loops": 3, name: 0 if wrong < 0 else base[name] + step * 1.01 + rule.noise + 1}
    assert [difference.figure for difference in compare(base, beyond) if difference.worse] == [name]
    within = base | {name: base[name] + wrong * step}
    assert not [difference for difference in compare(base, within) if difference.worse]
    better = base | {name: base[name] + right * (step + rule.noise + 1)}
    assert [(difference.figure, difference.worse) for difference in compare(base, better)] == [(name, False)]


@pytest.mark.parametrize(
    ("name", "value", "excuse"),
    [
        ("flops", 2e6, {"bytes accessed": 5e5}),
        ("operations", 3, {"bytes accessed": 5e5}),
        ("aliased bytes", 0, {"output bytes": 5e5}),
        ("scalar loops", 3, {"vectorised loops": 4}),
        ("packed FMA", 1, {}),
    ],
)
def test_what_pays_for_itself_is_excused(name, value, excuse):
    base = {"vectorised loops": 4, "bytes accessed": 1e6, "output bytes": 1e6, name: 2}
    head = base | excuse | {name: value}
    assert name in {difference.figure for difference in compare(base, head)}
    assert not [difference for difference in compare(base, head) if difference.worse]


def test_a_figure_that_is_gone_is_worse_and_a_new_one_is_told():
    gone = compare({"flops": 3, NOT_READ: {}}, {NOT_READ: {"flops": "a cloud passed"}})
    assert [(found.text, found.worse) for found in gone] == [("flops 3 flop -> none: a cloud passed", True)]
    new = compare({"error": None, NOT_READ: {"error": "off"}}, {"error": 1.25, NOT_READ: {}})
    assert [(found.text, found.worse) for found in new] == [("error none -> 1.25: off", False)]
    unknown = compare({"spills": 1}, {"spills": 2})
    assert [(found.text, found.worse) for found in unknown] == [("spills 1 -> 2", True)]


def test_differences_read_well():
    base = {"bytes accessed": 1_200_000, "fusions": 2, "error": 1.2, "vector width": 512, "instructions": {"dot": 3}}
    head = {"bytes accessed": 1_560_000, "fusions": 3, "error": 340.0, "vector width": 128, "instructions": {"copy": 1}}
    assert [difference.text for difference in compare(base, head)] == [
        "bytes accessed 1.2 MB -> 1.56 MB (+30 %)",
        "fusions 2 -> 3",
        "error 1.2 -> 340 ulps",
        "vector width 512 -> 128",
        "copy 0 -> 1",
        "dot 3 -> 0",
    ]


values = st.one_of(st.none(), st.integers(0, 10**9), st.floats(0, 1e9), st.text(max_size=3))


@given(st.dictionaries(st.sampled_from([*RULES, "unknown"]), values))
def test_the_same_figures_differ_in_nothing(found):
    assert compare(found, dict(found)) == []


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=8, max_size=8))
def test_an_innermost_loop_is_closed_and_holds_no_other(graph):
    edges = {str(block): [str(target) for target in targets] for block, targets in enumerate(graph)}
    loops = innermost(edges, "0")
    for body in loops:
        for block in body:
            reached, todo = set(), [block]
            while todo:
                for target in edges[todo.pop()]:
                    if target in body and target not in reached:
                        reached.add(target)
                        todo.append(target)
            assert block in reached
    assert innermost({"a": ["b"], "b": ["c"], "c": ["c", "b", "d"], "d": []}, "a") == [{"c"}]


SCRIPT = """
import json, sys
from pathlib import Path
from kernelgate import numba_cache, threads
threads.pin(1)
numba_cache.separate(Path(sys.argv[1]))
sys.path.insert(0, sys.argv[1])
import numpy as np
from kernelgate.arrays import aligned, map_arrays
from kernelgate.devices import installed
from kernelgate.kernel import DTYPES, backend_of, discover
from kernelgate.structure import figures
from kernelgate.subject import Subject

folders = discover(sys.argv[2])
pairs = [(folder, name) for folder in folders.values() for name in folder.implementations]
for folder, name in pairs[:: int(sys.argv[3])]:
    if installed(backend_of(name)):
        subject = Subject(folder, "kernel", name, "f32", "cpu")
        kernel = subject.kernel
        case = next(iter(kernel.cases.values()))
        placed = subject.place(map_arrays(aligned, kernel.inputs(np.random.default_rng(1), DTYPES["f32"], **case)))
        call = subject.bind(placed)
        call()
        print(json.dumps([f"{folder.name}-{name}", figures(subject, placed, call)]))
"""


def test_copies_in_processes_of_their_own_differ_in_nothing(tmp_path):
    """Two copies of the package, as the gate lays them out; another hash seed, the rows in another order."""
    kernels = ("rmsnorm", "rope", "softmax", "swiglu")
    shared = [path.name for path in (ROOT / "impls").glob("*.py")]
    left_out = shutil.ignore_patterns("__pycache__")
    runs = []
    for package, seed, order in (("kernelgate_base_0", "1", "1"), ("kernelgate_head_1", "2", "-1")):
        for name in kernels:
            shutil.copytree(ROOT / "impls" / name, tmp_path / package / name, ignore=left_out)
        # Its compilation takes as long as that of all others.
        (tmp_path / package / "swiglu" / "numba_tiles.py").unlink()
        for name in shared:
            shutil.copy(ROOT / "impls" / name, tmp_path / package / name)
        command = [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path), package, order]
        environment = os.environ | {"PYTHONHASHSEED": seed, "NUMBA_CACHE_DIR": str(tmp_path / f"cache-{seed}")}
        runs.append(subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True))
    base, head = (
        {name: found for name, found in map(json.loads, run.communicate(timeout=120)[0].splitlines())} for run in runs
    )
    assert [run.returncode for run in runs] == [0, 0]
    assert len(base) >= 8
    assert base.keys() == head.keys()
    assert [difference for name in base for difference in compare(base[name], head[name])] == []

"""Pallas kernels beyond their values: free of races, costed, and lowered for a TPU on a machine that has none."""

import inspect
import itertools
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from kernelgate.arrays import is_array
from kernelgate.devices import fetch, installed
from kernelgate.equivalence import Example
from kernelgate.judging import judge
from kernelgate.kernel import DTYPES

KERNELS = pytest.mark.subjects(operation="kernel", backends=("pallas",))
NEEDS_JAX = pytest.mark.skipif(not installed("pallas"), reason="needs jax")


def function_of(subject):
    return getattr(subject.module, subject.folder.name)


# So small that the largest dims of every domain are several: of one block, none can race with another.
SMALL = {
    "block_rows": 4,
    "block_tokens": 4,
    "block_q": 64,
    "block_k": 16,
    "block_out": 64,
    "block_ffn": 64,
    "block_dim": 32,
    "block_groups": 2,
}


@KERNELS
def test_no_race_in_the_interpreter_that_looks_for_them(subject):
    function, arguments, prepared = in_small(subject)
    blocks = blocks_of(function, prepared)
    assert all(math.prod(grid) > 1 for grid, *_ in blocks)
    first = subject.kernel.dtypes_of("pallas")[0]
    if subject.dtype == first:
        judge(subject, fetch(race_checked(function, prepared)), arguments)
    else:
        # The interpreter takes a second or more, and the same blocks race in no dtype or in all.
        function, _, prepared = in_small(replace(subject, dtype=first))
        assert blocks == blocks_of(function, prepared)


def in_small(subject):
    """The function in small blocks, its arguments, and these as it takes them."""
    arguments = Example(largest(subject.kernel)).arguments(subject.kernel, subject.dtype)
    return in_small_blocks(function_of(subject)), arguments, subject.prepared(subject.place(arguments))


def blocks_of(function, arguments):
    """Of each pallas_call what decides on races: its grid and what may run at once, the blocks and where they lie."""
    found = []
    for call in pallas_calls(program(function, arguments)):
        mapping = call.params["grid_mapping"]
        places = [(str(block.block_shape), str(block.index_map_jaxpr)) for block in mapping.block_mappings]
        found.append((mapping.grid, places, str(call.params["compiler_params"])))
    return found


def largest(kernel):
    """The dims of the domain that belong together and make the most of it."""
    every = (dict(zip(kernel.domain, values, strict=True)) for values in itertools.product(*kernel.domain.values()))
    return max((dims for dims in every if kernel.where(**dims)), key=lambda dims: math.prod(dims.values()))


def in_small_blocks(function):
    names = [name for name in inspect.signature(function).parameters if name.startswith("block_")]
    return partial(function, **{name: SMALL[name] for name in names})


def race_checked(function, arguments):
    """The function's result in the interpreter that sees memory as a chip does; AssertionError if blocks race."""
    import jax
    from jax._src.pallas.mosaic.interpret import interpret_pallas_call  # the only place that tells of a race
    from jax.experimental.pallas import tpu as pltpu

    # On two cores: on one, blocks of a parallel dimension follow each other, and never race.
    parameters = pltpu.InterpretParams(detect_races=True, num_cores_or_threads=2)
    try:
        result = jax.block_until_ready(function(*arguments, interpret=parameters))
        assert not interpret_pallas_call.races.races_found, "two blocks write, or read and write, the same memory"
    finally:
        pltpu.reset_tpu_interpret_mode_state()
    return result


@KERNELS
def test_every_case_is_lowered_for_a_tpu_and_costed(subject):
    for dims in {**subject.kernel.cases, **subject.kernel.heavy}.values():
        arguments = subject.kernel.inputs(np.random.default_rng(0), DTYPES[subject.dtype], **dims)
        calls = list(pallas_calls(lowered(function_of(subject), subject.prepared(arguments))))
        assert calls, "no pallas_call in the program"
        assert all(call.params["cost_estimate"] for call in calls), "a pallas_call without a CostEstimate"


def lowered(function, arguments):
    """The traced program, after lowering for a TPU."""
    import jax
    from jax import export

    traced, shapes = of_arrays(function, arguments)
    export.export(jax.jit(traced), platforms=["tpu"])(*shapes)
    return program(function, arguments)


def program(function, arguments):
    import jax

    traced, shapes = of_arrays(function, arguments)
    return jax.make_jaxpr(traced)(*shapes).jaxpr


def of_arrays(function, arguments):
    """The function of its arrays alone, and their shapes; other arguments are constants."""
    import jax

    flat, structure = jax.tree.flatten(arguments)
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in flat if is_array(leaf)]

    def traced(*arrays):
        remaining = iter(arrays)
        return function(*jax.tree.unflatten(structure, [next(remaining) if is_array(leaf) else leaf for leaf in flat]))

    return traced, shapes


def pallas_calls(jaxpr):
    from jax.extend.core import jaxprs_in_params

    for equation in jaxpr.eqns:
        if equation.primitive.name == "pallas_call":
            yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from pallas_calls(inner)


def overlapping(x, interpret=False, block=(8, 128), own=0):
    """Every block of a grid that is said to be parallel writes the one output block: a race."""
    import jax
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import tpu as pltpu

    def kernel(x_ref, out_ref):
        out_ref[...] = x_ref[...]

    return pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((8, 128), x.dtype),
        grid=(x.shape[0] // block[0],),
        in_specs=[pl.BlockSpec(block, lambda i: (i, 0))],
        out_specs=pl.BlockSpec(block, lambda i: (i * own, 0)),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
        interpret=interpret,
    )(x)


BLOCKS = np.ones((32, 128), np.float32)


@NEEDS_JAX
def test_a_race_is_found():
    with pytest.raises(AssertionError, match="two blocks write"):
        race_checked(overlapping, (BLOCKS,))


@NEEDS_JAX
def test_other_blocks_are_told_apart():
    others = [overlapping, partial(overlapping, block=(16, 128)), partial(overlapping, own=1)]
    assert len({str(blocks_of(function, (BLOCKS,))) for function in others}) == len(others)


@NEEDS_JAX
def test_a_missing_cost_and_a_block_that_no_tpu_has_are_found():
    (call,) = pallas_calls(lowered(overlapping, (BLOCKS,)))
    assert call.params["cost_estimate"] is None
    with pytest.raises(ValueError, match="block"):
        lowered(partial(overlapping, block=(1, 7)), (BLOCKS,))

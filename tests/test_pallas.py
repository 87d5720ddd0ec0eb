"""Pallas kernels beyond their values: free of races, costed, and lowered for a TPU on a machine that has none."""

from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelgate.arrays import is_array
from kernelgate.devices import fetch, installed
from kernelgate.equivalence import examples, judge
from kernelgate.kernel import DTYPES

KERNELS = pytest.mark.subjects(operation="kernel", backends=("pallas",))
NEEDS_JAX = pytest.mark.skipif(not installed("pallas"), reason="needs jax")


def function_of(subject):
    return getattr(subject.module, subject.folder.name)


@KERNELS
@given(data=st.data())
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_race_in_the_interpreter_that_looks_for_them(subject, data):
    arguments = data.draw(examples(subject)).arguments(subject.kernel, subject.dtype)
    judge(subject, fetch(race_checked(function_of(subject), subject.prepared(subject.place(arguments)))), arguments)


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
    """The traced program, after lowering for a TPU; arrays are traced from shapes, other arguments are constants."""
    import jax
    from jax import export

    flat, structure = jax.tree.flatten(arguments)
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in flat if is_array(leaf)]

    def traced(*arrays):
        remaining = iter(arrays)
        return function(*jax.tree.unflatten(structure, [next(remaining) if is_array(leaf) else leaf for leaf in flat]))

    export.export(jax.jit(traced), platforms=["tpu"])(*shapes)
    return jax.make_jaxpr(traced)(*shapes).jaxpr


def pallas_calls(jaxpr):
    from jax.extend.core import jaxprs_in_params

    for equation in jaxpr.eqns:
        if equation.primitive.name == "pallas_call":
            yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from pallas_calls(inner)


def overlapping(x, interpret=False, block=(8, 128)):
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
        out_specs=pl.BlockSpec(block, lambda i: (0, 0)),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
        interpret=interpret,
    )(x)


BLOCKS = np.ones((32, 128), np.float32)


@NEEDS_JAX
def test_a_race_is_found():
    with pytest.raises(AssertionError, match="two blocks write"):
        race_checked(overlapping, (BLOCKS,))


@NEEDS_JAX
def test_a_missing_cost_and_a_block_that_no_tpu_has_are_found():
    (call,) = pallas_calls(lowered(overlapping, (BLOCKS,)))
    assert call.params["cost_estimate"] is None
    with pytest.raises(ValueError, match="block"):
        lowered(partial(overlapping, block=(1, 7)), (BLOCKS,))

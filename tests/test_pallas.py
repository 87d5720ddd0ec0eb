"""Pallas kernels beyond their values: free of races, costed, and lowered for a TPU on a machine that has none."""

import pytest

jax = pytest.importorskip("jax")

from functools import partial  # noqa: E402

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from jax.experimental import pallas as pl  # noqa: E402
from jax.experimental.pallas import tpu as pltpu  # noqa: E402
from jax.extend.core import jaxprs_in_params  # noqa: E402

from kernelgate.arrays import is_array, map_arrays  # noqa: E402
from kernelgate.devices import fetch  # noqa: E402
from kernelgate.equivalence import examples, judge  # noqa: E402
from kernelgate.kernel import DTYPES  # noqa: E402

KERNELS = pytest.mark.subjects(operation="kernel", backends=("pallas",))


def function_of(subject, **options):
    return partial(getattr(subject.module, subject.folder.name), **options)


@KERNELS
@given(data=st.data())
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_race_in_the_interpreter_that_looks_for_them(subject, data):
    arguments = data.draw(examples(subject)).arguments(subject.kernel, subject.dtype)
    prepared = subject.prepared(subject.place(arguments))
    judge(subject, fetch(race_checked(function_of(subject), prepared)), arguments)


def race_checked(function, arguments):
    """The function's result in the interpreter that sees memory as a chip does; AssertionError if blocks race."""
    from jax._src.pallas.mosaic.interpret import interpret_pallas_call  # the only place that tells of a race

    try:
        result = jax.block_until_ready(
            function(*arguments, interpret=pltpu.InterpretParams(detect_races=True, num_cores_or_threads=2))
        )
        assert not interpret_pallas_call.races.races_found, "two blocks write, or read and write, the same memory"
    finally:
        pltpu.reset_tpu_interpret_mode_state()
    return result


def lowered(function, arguments):
    """The traced program, after lowering for a TPU; arrays are traced from shapes, other arguments are constants."""
    flat, structure = jax.tree.flatten(arguments)
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in flat if is_array(leaf)]

    def traced(*arrays):
        remaining = iter(arrays)
        return function(*jax.tree.unflatten(structure, [next(remaining) if is_array(leaf) else leaf for leaf in flat]))

    jax.export.export(jax.jit(traced), platforms=["tpu"])(*shapes)
    return jax.make_jaxpr(traced)(*shapes)


def pallas_calls(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name == "pallas_call":
            yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from pallas_calls(inner)


@KERNELS
def test_every_case_is_lowered_for_a_tpu_and_costed(subject):
    for dims in subject.kernel.cases.values():
        arguments = subject.kernel.inputs(np.random.default_rng(0), DTYPES[subject.dtype], **dims)
        calls = list(
            pallas_calls(lowered(function_of(subject), subject.prepared(map_arrays(jnp.asarray, arguments))).jaxpr)
        )
        assert calls, "no pallas_call in the program"
        assert all(call.params["cost_estimate"] for call in calls), "a pallas_call without a CostEstimate"


def summed(x, interpret=False):
    """Every block adds into the one output block, though the grid is said to be parallel: a race."""

    def kernel(x_ref, out_ref):
        out_ref[...] = x_ref[...]

    return pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((8, 128), x.dtype),
        grid=(x.shape[0] // 8,),
        in_specs=[pl.BlockSpec((8, 128), lambda i: (i, 0))],
        out_specs=pl.BlockSpec((8, 128), lambda i: (0, 0)),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
        interpret=interpret,
    )(x)


def test_a_race_is_found():
    with pytest.raises(AssertionError, match="two blocks write"):
        race_checked(summed, (jnp.ones((32, 128)),))


def test_a_missing_cost_and_a_bad_block_are_found():
    assert not any(call.params["cost_estimate"] for call in pallas_calls(lowered(summed, (jnp.ones((32, 128)),)).jaxpr))
    with pytest.raises(ValueError, match="block"):
        lowered(
            lambda x: pl.pallas_call(
                lambda x_ref, out_ref: None,
                out_shape=jax.ShapeDtypeStruct((32, 100), x.dtype),
                grid=(32,),
                in_specs=[pl.BlockSpec((1, 7), lambda i: (i, 0))],
                out_specs=pl.BlockSpec((1, 7), lambda i: (i, 0)),
            )(x),
            (jnp.ones((32, 100)),),
        )

"""What a model of quantised weights holds is what its format can say, and no further from what was given."""

import numpy as np
import pytest
from small_models import CONFIGS, OURS, draw

from kernelgate.kernel import BACKENDS

GROUP = 32
# Q8_0 reaches from -127 to 127 steps, Q4_0 from -8 to 7, where the largest of a group has 8: in half steps, or one at
# the short end. A scale is rounded to two bytes, and a gain that is folded in changes which weight is the largest.
STEPS = {"int8": 127, "int4": 8}
FORMATS = [name for name in OURS if set(BACKENDS[name].dtypes) & STEPS.keys()]
quantised = pytest.mark.subjects(*CONFIGS, operation="decode", backends=FORMATS)


def by_group(weight):
    """`[rows, groups, 32]` of a matrix `[rows, in]`, the last group filled up with zeros."""
    padded = np.pad(weight, ((0, 0), (0, -weight.shape[1] % GROUP)))
    return padded.reshape(len(padded), -1, GROUP)


def check_rounded(family, dtype, params, held):
    assert held.keys() == params.keys()
    for name, given in params.items():
        kept = held[name]
        assert (kept.shape, kept.dtype) == (given.shape, np.float32), name
        if given.ndim == 1 or name == "wpe.weight":
            # Gains, biases and positions are in float32 or bfloat16.
            assert np.allclose(kept, given, rtol=2**-8, atol=1e-6), name
            continue
        if family == "gpt2" and name != "wte.weight":
            given, kept = given.T, kept.T
        given, kept = by_group(given), by_group(kept)
        step = np.abs(given).max(axis=-1) / STEPS[dtype]
        assert (np.abs(kept - given).max(axis=-1) <= 1.6 * step).all(), name


@quantised
def test_what_is_held_is_within_a_step_of_what_was_given(subject):
    family = subject.folder.name
    params = draw(family)
    check_rounded(family, subject.dtype, params, subject.module.rounded(params, CONFIGS[family]))


@pytest.mark.parametrize(
    ("family", "name"), [("llama", "model.layers.0.mlp.up_proj.weight"), ("gpt2", "h.1.attn.c_attn.weight")]
)
def test_the_check_can_fail(family, name):
    params = draw(family)
    check_rounded(family, "int8", params, params)
    for wrong in (params[name] * 1.05, np.roll(params[name], 1), params[name].T):
        with pytest.raises(AssertionError):
            check_rounded(family, "int8", params, {**params, name: wrong})

"""Rotary embedding in Pallas: a block of tokens a grid step, heads and head_dim whole."""

import math

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu


def turned_blocks(turn, x, cos, sin, *, block_tokens, interpret):
    """`turn(x_ref, cos_ref, sin_ref, out_ref)` on blocks of `[texts, tokens, heads, head_dim]` and `[tokens, width]`.

    At decode, with one token a text, a block holds many texts.
    """
    seq, heads, head_dim = x.shape[-3:]
    texts = math.prod(x.shape[:-3])
    tokens = min(block_tokens, seq)
    batch = min(max(block_tokens // tokens, 1), texts)
    tables = pl.BlockSpec((tokens, cos.shape[1]), lambda i, j: (j, 0))
    block = pl.BlockSpec((batch, tokens, heads, head_dim), lambda i, j: (i, j, 0, 0))
    result = pl.pallas_call(
        turn,
        out_shape=jax.ShapeDtypeStruct((texts, seq, heads, head_dim), x.dtype),
        grid=(pl.cdiv(texts, batch), pl.cdiv(seq, tokens)),
        in_specs=[block, tables, tables],
        out_specs=block,
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "parallel")),
        cost_estimate=pl.CostEstimate(
            flops=3 * x.size, transcendentals=0, bytes_accessed=2 * x.nbytes + cos.nbytes + sin.nbytes
        ),
        interpret=interpret,
    )(x.reshape(texts, seq, heads, head_dim), cos, sin)
    return result.reshape(x.shape)

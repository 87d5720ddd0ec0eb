"""Flash attention in Pallas for a TPU: a block of queries stays, blocks of keys pass (Dao 2023, arXiv 2307.08691).

The grid runs over batch and heads, blocks of queries, and innermost the blocks of keys that a block of queries can
see: blocks of which it sees none are neither fetched nor computed.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

# A TPU's vector has 128 lanes; a number a row is kept in all of them.
LANES = 128


def flash(q, k, v, window, *, block_q, block_k, interpret):
    """`batch seq heads head_dim` as given; each position sees `window` positions up to itself."""
    (batch, seq, heads, head_dim), kv_heads = q.shape, k.shape[2]
    group, window = heads // kv_heads, min(window, seq)
    rows_q, rows_k = pl.cdiv(seq, block_q) * block_q, pl.cdiv(seq, block_k) * block_k
    q_blocks = pl.cdiv(seq, block_q)
    # The most blocks of keys that any block of queries meets.
    turns = min(rows_k // block_k, (window + block_q - 2) // block_k + 2)

    def first_block(i):
        return lax.div(lax.max(i * block_q - window + 1, 0), block_k)

    def last_block(i):
        return lax.div(lax.min(i * block_q + block_q - 1, seq - 1), block_k)

    def key_index(n, i, j):
        # What is not needed any more stays as it is: a block that does not change is not fetched.
        return lax.div(n, group), lax.min(first_block(i) + j, last_block(i)), 0

    pairs = batch * heads * (window * (window + 1) // 2 + (seq - window) * window)
    result = pl.pallas_call(
        partial(_turn, first_block, last_block, seq, window, block_q, block_k, head_dim**-0.5),
        out_shape=jax.ShapeDtypeStruct((batch * heads, rows_q, head_dim), q.dtype),
        grid=(batch * heads, q_blocks, turns),
        in_specs=[
            pl.BlockSpec((1, block_q, head_dim), lambda n, i, j: (n, i, 0)),
            pl.BlockSpec((1, block_k, head_dim), key_index),
            pl.BlockSpec((1, block_k, head_dim), key_index),
        ],
        out_specs=pl.BlockSpec((1, block_q, head_dim), lambda n, i, j: (n, i, 0)),
        scratch_shapes=[
            pltpu.VMEM((block_q, LANES), jnp.float32),
            pltpu.VMEM((block_q, LANES), jnp.float32),
            pltpu.VMEM((block_q, head_dim), jnp.float32),
        ],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=4 * pairs * head_dim, transcendentals=pairs, bytes_accessed=2 * (q.size + k.size) * q.dtype.itemsize
        ),
        interpret=interpret,
    )(_by_head(q, rows_q), _by_head(k, rows_k), _by_head(v, rows_k))
    return result.reshape(batch, heads, rows_q, head_dim)[:, :, :seq].swapaxes(1, 2)


def _by_head(x, rows):
    """`[batch * heads, rows, head_dim]`, zeros behind the last position."""
    batch, seq, heads, head_dim = x.shape
    padded = jnp.pad(x.swapaxes(1, 2), ((0, 0), (0, 0), (0, rows - seq), (0, 0)))
    return padded.reshape(batch * heads, rows, head_dim)


def _turn(
    first_block,
    last_block,
    seq,
    window,
    block_q,
    block_k,
    factor,
    q_ref,
    k_ref,
    v_ref,
    out_ref,
    top_ref,
    total_ref,
    mixed_ref,
):
    i, j = pl.program_id(1), pl.program_id(2)
    block = first_block(i) + j

    @pl.when(j == 0)
    def _():
        # Finite, so that a block in which a query sees nothing is no NaN.
        top_ref[...] = jnp.full_like(top_ref, -1e38)
        total_ref[...] = jnp.zeros_like(total_ref)
        mixed_ref[...] = jnp.zeros_like(mixed_ref)

    @pl.when(block <= last_block(i))
    def _():
        scores = _product(q_ref[0], k_ref[0], ((1,), (1,))) * jnp.float32(factor)
        position = i * block_q + lax.broadcasted_iota(jnp.int32, scores.shape, 0)
        key = block * block_k + lax.broadcasted_iota(jnp.int32, scores.shape, 1)
        seen = (key <= position) & (key > position - window) & (key < seq)
        scores = jnp.where(seen, scores, -jnp.inf)
        before = top_ref[:, :1]
        top = jnp.maximum(before, scores.max(axis=1, keepdims=True))
        weights, shrunk = jnp.exp(scores - top), jnp.exp(before - top)
        total = total_ref[:, :1] * shrunk + weights.sum(axis=1, keepdims=True)
        mixed_ref[...] = mixed_ref[...] * shrunk + _product(weights.astype(v_ref.dtype), v_ref[0], ((1,), (0,)))
        top_ref[...] = jnp.broadcast_to(top, top_ref.shape)
        total_ref[...] = jnp.broadcast_to(total, total_ref.shape)

    @pl.when(j == pl.num_programs(2) - 1)
    def _():
        # Padding behind the last position sees nothing if its window has passed all keys.
        out_ref[0] = (mixed_ref[...] / jnp.maximum(total_ref[:, :1], 1e-38)).astype(out_ref.dtype)


def _product(left, right, contracted):
    return lax.dot_general(
        left, right, (contracted, ((), ())), precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )

"""Attention of one token to a ring cache in Pallas, for a TPU. A cache that is no ring is one that has not wrapped.

The grid runs over the batch and blocks of slots. A block holds all heads side by side, so that it is one piece of
memory of whole vectors; blocks behind the length are neither fetched nor computed.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

LANES = 128


def decoded(q, k_cache, v_cache, length, window, *, block_k, interpret):
    """Attention to the last `window` of `length` positions, position p in slot p % context."""
    (batch, heads, head_dim), (_, context, kv_heads, _) = q.shape, k_cache.shape
    block_k = min(block_k, context)
    sizes = jnp.stack([jnp.asarray(length, jnp.int32), jnp.asarray(window, jnp.int32)])

    def slots_index(n, j, sizes):
        filled = lax.min(sizes[0], context)
        return n, lax.min(j, lax.div(filled - 1, block_k)), 0

    slots = pl.BlockSpec((1, block_k, kv_heads * head_dim), slots_index)
    queries = pl.BlockSpec((1, heads, head_dim), lambda n, j, sizes: (n, 0, 0))
    return pl.pallas_call(
        partial(_turn, context, kv_heads),
        out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=1,
            grid=(batch, pl.cdiv(context, block_k)),
            in_specs=[queries, slots, slots],
            out_specs=queries,
            scratch_shapes=[
                pltpu.VMEM((heads, LANES), jnp.float32),
                pltpu.VMEM((heads, LANES), jnp.float32),
                pltpu.VMEM((heads, head_dim), jnp.float32),
            ],
        ),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=4 * batch * heads * context * head_dim,
            transcendentals=batch * heads * context,
            bytes_accessed=2 * (q.nbytes + k_cache.nbytes),
        ),
        interpret=interpret,
    )(sizes, q, *(cache.reshape(batch, context, -1) for cache in (k_cache, v_cache)))


def _turn(context, kv_heads, sizes_ref, q_ref, k_ref, v_ref, out_ref, top_ref, total_ref, mixed_ref):
    j = pl.program_id(1)
    length, window = sizes_ref[0], sizes_ref[1]
    block_k, (_, heads, head_dim) = k_ref.shape[1], q_ref.shape
    group = heads // kv_heads

    @pl.when(j == 0)
    def _():
        # Finite, so that a block of which nothing is seen is no NaN.
        top_ref[...] = jnp.full_like(top_ref, -1e38)
        total_ref[...] = jnp.zeros_like(total_ref)
        mixed_ref[...] = jnp.zeros_like(mixed_ref)

    @pl.when(j * block_k < lax.min(length, context))
    def _():
        # Behind the context a block may hold anything, and 0 times NaN would be NaN.
        inside = j * block_k + lax.broadcasted_iota(jnp.int32, (block_k, 1), 0) < context
        slot = j * block_k + lax.broadcasted_iota(jnp.int32, (group, block_k), 1)
        age = lax.rem(length - 1 - slot + 2 * context, context)
        seen = (slot < context) & (age < lax.min(window, length))
        for head in range(kv_heads):
            rows, lanes = slice(head * group, (head + 1) * group), slice(head * head_dim, (head + 1) * head_dim)
            scores = _product(q_ref[0, rows], k_ref[0, :, lanes], ((1,), (1,))) * jnp.float32(head_dim**-0.5)
            scores = jnp.where(seen, scores, -jnp.inf)
            before = top_ref[rows, :1]
            top = jnp.maximum(before, scores.max(axis=1, keepdims=True))
            weights, shrunk = jnp.exp(scores - top), jnp.exp(before - top)
            total = total_ref[rows, :1] * shrunk + weights.sum(axis=1, keepdims=True)
            values = jnp.where(inside, v_ref[0, :, lanes], jnp.zeros_like(v_ref[0, :, lanes]))
            mixed_ref[rows] = mixed_ref[rows] * shrunk + _product(weights.astype(values.dtype), values, ((1,), (0,)))
            top_ref[rows] = jnp.broadcast_to(top, (group, LANES))
            total_ref[rows] = jnp.broadcast_to(total, (group, LANES))

    @pl.when(j == pl.num_programs(1) - 1)
    def _():
        out_ref[0] = (mixed_ref[...] / total_ref[:, :1]).astype(out_ref.dtype)


def _product(left, right, contracted):
    return lax.dot_general(
        left, right, (contracted, ((), ())), precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )

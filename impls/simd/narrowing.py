"""float32 vectors to bf16, by the instruction where there is one: then subnormal numbers become 0."""

from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

from .arithmetic import to_bf16
from .features import BF16_DOT, missing
from .vectors import BF16, BF16_HALF, F32, called, expect, llvm_type

LANES = 16


class _BFloat(ir.Type):
    """LLVM's name for bf16, which llvmlite has no class for."""

    def _to_string(self):
        return "bfloat"

    def __eq__(self, other):
        return isinstance(other, _BFloat)

    def __hash__(self):
        return hash(_BFloat)


@intrinsic
def _narrowed_by_instruction(typing, vector):
    expect(vector == F32, "narrowed", vector)

    def generate(context, builder, signature, values):
        narrow = builder.fptrunc(values[0], ir.VectorType(_BFloat(), LANES))
        return builder.bitcast(narrow, llvm_type(BF16_HALF))

    return BF16_HALF(vector), generate


@intrinsic
def _paired_by_instruction(typing, one, other):
    expect((one, other) == (F32, F32), "paired", one, other)

    def generate(context, builder, signature, values):
        kind = ir.VectorType(_BFloat(), 2 * LANES)
        halves = called(builder, "llvm.x86.avx512bf16.cvtne2ps2bf16.512", kind, values[::-1])
        return _interleaved(builder, builder.bitcast(halves, llvm_type(BF16)))

    return BF16(one, other), generate


@intrinsic
def _interleaved_halves(typing, one, other):
    expect((one, other) == (BF16_HALF, BF16_HALF), "paired", one, other)

    def generate(context, builder, signature, values):
        every = ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), list(range(2 * LANES)))
        return _interleaved(builder, builder.shuffle_vector(*values, every))

    return BF16(one, other), generate


def _interleaved(builder, halves):
    places = [place for lane in range(LANES) for place in (lane, LANES + lane)]
    places = ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), places)
    return builder.shuffle_vector(halves, ir.Constant(halves.type, ir.Undefined), places)


@njit
def _paired_portable(one, other):
    return _interleaved_halves(to_bf16(one), to_bf16(other))


# To the nearest bf16, halves to even. By the instruction, where there is one, subnormal numbers become 0; it stands for
# nine others.
narrowed = to_bf16 if missing(BF16_DOT) else _narrowed_by_instruction
# Two vectors so, one at even places and the other at odd ones.
paired = _paired_portable if missing(BF16_DOT) else _paired_by_instruction

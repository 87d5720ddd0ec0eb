"""Dot products of packed numbers in each lane: single instructions where the CPU has them, and what they compute else.

Each operation is there three times: as the instruction, as its portable twin, and under the plain name, which is the
instruction where Numba compiles for a CPU that has it (`simd_features`). A twin takes about ten times as long, so a row
that is about the instruction names the feature and is reported as absent without it.
"""

from numba.core.errors import TypingError
from numba.extending import intrinsic

from .features import BF16_DOT, INT8_DOT, missing
from .vectors import BF16, F32, I8, I32, U8, called, constant, expect, fused, llvm_type


def int8_instruction(builder, sums, unsigned, signed):
    bits = llvm_type(I32)
    return called(
        builder,
        "llvm.x86.avx512.vpdpbusd.512",
        bits,
        [sums, builder.bitcast(unsigned, bits), builder.bitcast(signed, bits)],
    )


def int8_portable(builder, sums, unsigned, signed):
    bits = llvm_type(I32)
    unsigned, signed = builder.bitcast(unsigned, bits), builder.bitcast(signed, bits)
    for byte in range(4):
        a = builder.and_(builder.lshr(unsigned, constant(bits, 8 * byte)), constant(bits, 255))
        b = builder.ashr(builder.shl(signed, constant(bits, 24 - 8 * byte)), constant(bits, 24))
        sums = builder.add(sums, builder.mul(a, b))
    return sums


def bf16_instruction(builder, sums, a, b):
    bits = llvm_type(I32)
    values = [sums, builder.bitcast(a, bits), builder.bitcast(b, bits)]
    return called(builder, "llvm.x86.avx512bf16.dpbf16ps.512", sums.type, values)


def bf16_portable(builder, sums, a, b):
    bits = llvm_type(I32)
    first, second = [], []
    for pairs in (builder.bitcast(a, bits), builder.bitcast(b, bits)):
        first.append(builder.bitcast(builder.shl(pairs, constant(bits, 16)), sums.type))
        second.append(builder.bitcast(builder.and_(pairs, constant(bits, 0xFFFF0000)), sums.type))
    return fused(builder, *first, fused(builder, *second, sums))


int8_best = int8_portable if missing(INT8_DOT) else int8_instruction
bf16_best = bf16_portable if missing(BF16_DOT) else bf16_instruction
NEEDS = {int8_instruction: INT8_DOT, bf16_instruction: BF16_DOT}


def dot_operation(name, emit, sums_kind, a_kind, b_kind):
    def operation(typing, sums, a, b):
        expect((sums, a, b) == (sums_kind, a_kind, b_kind), name, sums, a, b)
        if absent := missing(NEEDS.get(emit, ())):
            raise TypingError(f"{name}: Numba compiles for a CPU without {', '.join(absent)}")
        return sums(sums, a, b), lambda context, builder, signature, values: emit(builder, *values)

    operation.__name__ = name
    return intrinsic(operation)


# `sums[i] + a[4i] * b[4i] + ... + a[4i+3] * b[4i+3]` of unsigned and signed bytes, exactly.
dot_int8 = dot_operation("dot_int8", int8_best, I32, U8, I8)
instruction_dot_int8 = dot_operation("instruction_dot_int8", int8_instruction, I32, U8, I8)
portable_dot_int8 = dot_operation("portable_dot_int8", int8_portable, I32, U8, I8)
# `sums[i] + a[2i+1] * b[2i+1] + a[2i] * b[2i]` of bf16. The instruction takes subnormal numbers as 0.
dot_bf16 = dot_operation("dot_bf16", bf16_best, F32, BF16, BF16)
instruction_dot_bf16 = dot_operation("instruction_dot_bf16", bf16_instruction, F32, BF16, BF16)
portable_dot_bf16 = dot_operation("portable_dot_bf16", bf16_portable, F32, BF16, BF16)

"""Outer products added to a register tile: each of a few numbers times each of a few vectors."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .dots import bf16_best
from .vectors import BF16, F32, Vector, element_pointer, expect, fused, is_array, llvm_type, load_as, splatted


def _is_tuple(kind, *vectors):
    return isinstance(kind, types.UniTuple) and kind.dtype in vectors


@intrinsic
def load_like(typing, rows, array, index):
    """As many vectors as `rows` has, and of their kind, one after the other from `index` on."""
    expect(_is_tuple(rows, F32, BF16) and is_array(array, rows.dtype.element), "load_like", rows, array, index)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[1], values[1], signature.args[2], values[2])
        step, bytes_ = rows.dtype.lanes, rows.dtype.element.bitwidth // 8
        places = (builder.gep(pointer, [ir.Constant(ir.IntType(64), step * i)]) for i in range(rows.count))
        loaded = [load_as(builder, place, llvm_type(rows.dtype), bytes_) for place in places]
        return context.make_tuple(builder, signature.return_type, loaded)

    return rows(rows, array, index), generate


def _outer(name, vector, word, emit):
    """The operation `rows[i * n + j] = emit(rows[i * n + j], columns[j], word i of array from index on)`, n columns."""

    def operation(typing, rows, columns, array, index, step):
        given = rows, columns, array, index, step
        expect(_is_tuple(rows, F32) and _is_tuple(columns, vector) and is_array(array, types.float32), name, *given)
        expect(rows.count % columns.count == 0, name, *given)

        def generate(context, builder, signature, values):
            pointer = element_pointer(context, builder, signature.args[2], values[2], signature.args[3], values[3])
            step = context.cast(builder, values[4], signature.args[4], types.intp)
            vectors = [builder.extract_value(values[1], j) for j in range(columns.count)]
            updated = []
            for i in range(rows.count // columns.count):
                where = builder.gep(pointer, [builder.mul(step, ir.Constant(step.type, i))])
                number = splatted(builder, builder.load(builder.bitcast(where, word.as_pointer()), align=4), 16)
                for column in vectors:
                    updated.append(emit(builder, builder.extract_value(values[0], len(updated)), column, number))
            return context.make_tuple(builder, signature.return_type, updated)

        return rows(*given), generate

    operation.__name__ = name
    return intrinsic(operation)


# `rows[i * n + j] += columns[j] * array[index + i * step]` of n columns.
fma_outer = _outer("fma_outer", F32, ir.FloatType(), lambda b, row, column, x: fused(b, column, x, row))
# The same of pairs of bf16: those of a column a lane, and one pair in the 32 bits of each number of `array`.
dot_bf16_outer = _outer("dot_bf16_outer", BF16, ir.IntType(32), bf16_best)


def _quarters(builder, pointer, bytes_):
    """128 bits from a pointer on, four times, as float32."""
    kind = ir.VectorType(ir.FloatType(), 4)
    part = load_as(builder, pointer, kind, bytes_)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), 16), [0, 1, 2, 3] * 4)
    return builder.shuffle_vector(part, ir.Constant(kind, ir.Undefined), lanes)


@intrinsic
def dot_quarters(typing, rows, array, first, second, third, fourth, vector):
    """`rows[i] += (128 bits of array from the i-th index on, four times) * vector`: of float32, or of pairs of bf16.

    With four numbers (pairs) of each of four queries in `vector`, lane 4 * q + p sums a part of the product of one.
    """
    given = rows, array, first, second, third, fourth, vector
    expect(rows == types.UniTuple(F32, 4) and isinstance(vector, Vector), "dot_quarters", *given)
    expect(vector in (F32, BF16) and is_array(array, vector.element), "dot_quarters", *given)

    def generate(context, builder, signature, values):
        updated = []
        for i in range(4):
            kind, index = signature.args[2 + i], values[2 + i]
            pointer = element_pointer(context, builder, array, values[1], kind, index)
            here, row = (
                _quarters(builder, pointer, vector.element.bitwidth // 8),
                builder.extract_value(values[0], i),
            )
            updated.append(
                fused(builder, here, values[6], row)
                if vector == F32
                else bf16_best(builder, row, builder.bitcast(here, llvm_type(BF16)), values[6])
            )
        return context.make_tuple(builder, signature.return_type, updated)

    return rows(*given), generate


@intrinsic
def quarter_sums(typing, rows):
    """Lane 4 * q + i: the sum of the lanes 4 * q to 4 * q + 3 of row i."""
    expect(rows == types.UniTuple(F32, 4), "quarter_sums", rows)

    def generate(context, builder, signature, values):
        vectors = [builder.extract_value(values[0], i) for i in range(4)]
        while len(vectors) > 1:
            vectors = [_paired_sums(builder, a, b) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
        return vectors[0]

    return F32(rows), generate


def _paired_sums(builder, a, b):
    """In each quarter, the sums of the two pairs of neighbours of `a`, then of `b`."""
    halves = []
    for odd in (0, 1):
        lanes = [4 * q + 2 * pair + odd + 16 * of_b for q in range(4) for of_b in (0, 1) for pair in (0, 1)]
        halves.append(builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), 16), lanes)))
    return builder.fadd(*halves)


@intrinsic
def load_interleaved(typing, array, first, second):
    """32 bf16, as uint16, from either index on, in pairs of one of each: numbers 8 n to 8 n + 3, then the others."""
    given = array, first, second
    expect(is_array(array, types.uint16), "load_interleaved", *given)

    def generate(context, builder, signature, values):
        loaded = [
            load_as(
                builder,
                element_pointer(context, builder, array, values[0], signature.args[i], values[i]),
                llvm_type(BF16),
                2,
            )
            for i in (1, 2)
        ]
        pairs = []
        for half in (0, 4):
            lanes = [8 * n + half + i + 32 * of_b for n in range(4) for i in range(4) for of_b in (0, 1)]
            pick = ir.Constant(ir.VectorType(ir.IntType(32), 32), lanes)
            pairs.append(builder.shuffle_vector(*loaded, pick))
        return context.make_tuple(builder, signature.return_type, pairs)

    return types.UniTuple(BF16, 2)(*given), generate


@intrinsic
def in_order(typing, first, second):
    """32 float32 that lie in two vectors as `load_interleaved` gives them, in their order."""
    expect(first == second == F32, "in_order", first, second)

    def generate(context, builder, signature, values):
        ordered = []
        for n in (0, 2):
            lanes = [4 * (n + m) + i + 16 * late for m in (0, 1) for late in (0, 1) for i in range(4)]
            ordered.append(builder.shuffle_vector(*values, ir.Constant(ir.VectorType(ir.IntType(32), 16), lanes)))
        return context.make_tuple(builder, signature.return_type, ordered)

    return types.UniTuple(F32, 2)(first, second), generate

"""Operations on several vectors at once, one a row of a result: the register tile of a matrix product.

Rows are a tuple of vectors, which LLVM takes apart into registers. Each operation is unrolled over them.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .arithmetic import added, greater
from .dots import bf16_best, int8_best
from .vectors import F32, I32, Vector, constant, element_pointer, expect, fused, is_array, llvm_type, load_as, splatted

_WORD = ir.IntType(32)


def _is_rows(kind, vector):
    return isinstance(kind, types.UniTuple) and kind.dtype == vector


def _scalars(builder, pointer, kind, align, count):
    """`count` numbers of the LLVM type `kind` that follow each other, each in all lanes of a vector."""
    pointer = builder.bitcast(pointer, kind.as_pointer())
    for i in range(count):
        where = builder.gep(pointer, [ir.Constant(ir.IntType(64), i)])
        yield splatted(builder, builder.load(where, align=align), 16)


@intrinsic
def rows_of(typing, count, vector):
    """`count` rows, a constant, of `vector` each."""
    expect(isinstance(count, types.IntegerLiteral) and isinstance(vector, Vector), "rows_of", count, vector)
    kind = types.UniTuple(vector, count.literal_value)

    def generate(context, builder, signature, values):
        return context.make_tuple(builder, signature.return_type, [values[1]] * kind.count)

    return kind(count, vector), generate


@intrinsic
def splat_rows(typing, count, array, index):
    """`count` rows, a constant: `array[index + i]`, int32 or float32, in all lanes of row i."""
    expect(isinstance(count, types.IntegerLiteral), "splat_rows", count, array, index)
    expect(is_array(array, types.int32, types.float32), "splat_rows", count, array, index)
    kind = types.UniTuple(Vector(array.dtype, 16), count.literal_value)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[1], values[1], signature.args[2], values[2])
        scalars = _scalars(builder, pointer, llvm_type(kind.dtype).element, 4, kind.count)
        return context.make_tuple(builder, signature.return_type, list(scalars))

    return kind(count, array, index), generate


def _accumulated(name, vector, element, word, emit):
    """The operation `rows[i] = emit(rows[i], weights, the word i of array from index on)`."""

    def operation(typing, rows, array, index, weights):
        expect(_is_rows(rows, vector) and is_array(array, element), name, rows, array, index, weights)

        def generate(context, builder, signature, values):
            pointer = element_pointer(context, builder, signature.args[1], values[1], signature.args[2], values[2])
            scalars = _scalars(builder, pointer, word, element.bitwidth // 8, rows.count)
            updated = [
                emit(builder, builder.extract_value(values[0], i), values[3], scalar)
                for i, scalar in enumerate(scalars)
            ]
            return context.make_tuple(builder, signature.return_type, updated)

        return rows(rows, array, index, weights), generate

    operation.__name__ = name
    return intrinsic(operation)


# `array[index + i] * weights` added to row i.
fma_rows = _accumulated("fma_rows", F32, types.float32, ir.FloatType(), lambda b, row, w, x: fused(b, x, w, row))
# The same with four signed bytes, or two bf16, of `array` a row, and as many of `weights` (unsigned bytes) a lane.
dot_int8_rows = _accumulated("dot_int8_rows", I32, types.int8, _WORD, int8_best)
dot_bf16_rows = _accumulated("dot_bf16_rows", F32, types.uint16, _WORD, bf16_best)


@intrinsic
def load_rows(typing, count, array, index, step):
    """`count` rows, a constant, of float32 or int32, each `step` elements after the one before."""
    expect(isinstance(count, types.IntegerLiteral), "load_rows", count, array, index, step)
    expect(is_array(array, types.int32, types.float32), "load_rows", count, array, index, step)
    kind = types.UniTuple(Vector(array.dtype, 16), count.literal_value)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[1], values[1], signature.args[2], values[2])
        step = context.cast(builder, values[3], signature.args[3], types.intp)
        places = _apart(builder, pointer, step, kind.count)
        rows = [load_as(builder, place, llvm_type(kind.dtype), 4) for place in places]
        return context.make_tuple(builder, signature.return_type, rows)

    return kind(count, array, index, step), generate


@intrinsic
def lanes_of(typing, count, vector):
    """`count` rows, a constant: lane i of `vector` in all lanes of row i."""
    expect(isinstance(count, types.IntegerLiteral) and vector in (F32, I32), "lanes_of", count, vector)
    kind = types.UniTuple(vector, count.literal_value)

    def generate(context, builder, signature, values):
        nothing = ir.Constant(llvm_type(vector), ir.Undefined)
        lanes = [ir.Constant(ir.VectorType(_WORD, 16), [i] * 16) for i in range(kind.count)]
        rows = [builder.shuffle_vector(values[1], nothing, lane) for lane in lanes]
        return context.make_tuple(builder, signature.return_type, rows)

    return kind(count, vector), generate


def _folded(name, combine):
    """The operation that folds the lanes of each of 8 rows into one: that of row i is in the lanes i and i + 8."""

    def operation(typing, rows):
        expect(rows in (types.UniTuple(F32, 8), types.UniTuple(I32, 8)), name, rows)

        def generate(context, builder, signature, values):
            vectors = [builder.extract_value(values[0], i) for i in range(8)]
            # In each round two vectors become one, and what is left of a row half as wide; at last, one becomes itself.
            for width in (16, 8, 4, 2):
                pairs = zip(vectors[::2], vectors[1::2], strict=True) if width > 2 else [vectors * 2]
                vectors = [combine(builder, *_halves(builder, *pair, width)) for pair in pairs]
            return vectors[0]

        return rows.dtype(rows), generate

    operation.__name__ = name
    return intrinsic(operation)


def _halves(builder, a, b, width):
    """The lower halves of all runs of `width` lanes, first of `a` and then of `b`, and the upper halves."""
    for begin in (0, width // 2):
        lanes = [run + lane for run in range(0, 32, width) for lane in range(begin, begin + width // 2)]
        yield builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_WORD, 16), lanes))


maxima_of_rows = _folded("maxima_of_rows", greater)
sums_of_rows = _folded("sums_of_rows", added)


@intrinsic
def add_sixteenths(typing, rows, others):
    """`rows[i] + others[i] / 16` of int32, where `others` are multiples of 16."""
    expect(_is_rows(rows, I32) and rows == others, "add_sixteenths", rows, others)

    def generate(context, builder, signature, values):
        updated = []
        for i in range(rows.count):
            row, other = (builder.extract_value(value, i) for value in values)
            updated.append(builder.add(row, builder.ashr(other, constant(other.type, 4))))
        return context.make_tuple(builder, signature.return_type, updated)

    return rows(rows, others), generate


@intrinsic
def scaled_rows(typing, rows, integers, array, index, scales):
    """`integers[i] * (array[index + i] * scales)` added to row i."""
    expect(_is_rows(rows, F32) and _is_rows(integers, I32) and scales == F32, "scaled_rows", rows, integers, scales)
    expect(is_array(array, types.float32) and rows.count == integers.count, "scaled_rows", integers, array)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[2], values[2], signature.args[3], values[3])
        updated = []
        for i, scalar in enumerate(_scalars(builder, pointer, ir.FloatType(), 4, rows.count)):
            numbers = builder.sitofp(builder.extract_value(values[1], i), scalar.type)
            factor = builder.fmul(scalar, values[4])
            updated.append(fused(builder, numbers, factor, builder.extract_value(values[0], i)))
        return context.make_tuple(builder, signature.return_type, updated)

    return rows(rows, integers, array, index, scales), generate


@intrinsic
def store_words(typing, array, index, stride, vector):
    """The 32-bit words of `vector`, the first to `array` at `index` and each `stride` elements after the one before."""
    expect(isinstance(vector, Vector) and is_array(array, vector.element), "store_words", array, index, stride, vector)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        step = context.cast(builder, values[2], signature.args[2], types.intp)
        _scatter(builder, pointer, step, values[3])
        return context.get_dummy_value()

    return types.void(array, index, stride, vector), generate


@intrinsic
def store_words_of_rows(typing, array, index, step, stride, rows):
    """The same with all rows, the first word of each `step` elements after that of the one before."""
    given = (array, index, step, stride, rows)
    expect(isinstance(rows, types.UniTuple) and is_array(array, rows.dtype.element), "store_words_of_rows", *given)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        step, stride = (context.cast(builder, values[i], signature.args[i], types.intp) for i in (2, 3))
        for i, place in enumerate(_apart(builder, pointer, step, rows.count)):
            _scatter(builder, place, stride, builder.extract_value(values[4], i))
        return context.get_dummy_value()

    return types.void(*given), generate


def _apart(builder, pointer, step, count):
    """The addresses of `count` elements, each `step` after the one before."""
    return [builder.gep(pointer, [builder.mul(step, ir.Constant(step.type, i))]) for i in range(count)]


def _scatter(builder, pointer, stride, vector):
    bytes_ = vector.type.element.width // 8 if isinstance(vector.type.element, ir.IntType) else 4
    words = vector.type.count * bytes_ // 4
    parts = builder.bitcast(vector, ir.VectorType(_WORD, words))
    for i, place in enumerate(_apart(builder, pointer, stride, words)):
        word = builder.extract_element(parts, ir.Constant(_WORD, i))
        builder.store(word, builder.bitcast(place, _WORD.as_pointer()), align=bytes_)

"""Square tiles of 16 vectors with 16 lanes, and sums over vectors that lie apart."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .vectors import BF16_HALF, F32, I32, Vector, constant, element_pointer, expect, fused, is_array, llvm_type, load_as

SIDE = 16


def _is_rows(kind):
    return isinstance(kind, types.UniTuple) and kind.dtype in (F32, I32)


def _is_tile(kind):
    return _is_rows(kind) and kind.count == SIDE


@intrinsic
def load_tile(typing, array, index):
    """256 consecutive float32 or int32 from `index` on, as 16 vectors."""
    expect(is_array(array, types.float32, types.int32), "load_tile", array, index)
    vector = Vector(array.dtype, SIDE)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        rows = [
            load_as(builder, builder.gep(pointer, [ir.Constant(ir.IntType(64), SIDE * row)]), llvm_type(vector), 4)
            for row in range(SIDE)
        ]
        return context.make_tuple(builder, signature.return_type, rows)

    return types.UniTuple(vector, SIDE)(array, index), generate


@intrinsic
def store_tile(typing, array, index, tile):
    """The vectors of `tile`, 16 or fewer, one after the other to `array` from `index` on."""
    expect(_is_rows(tile) and is_array(array, tile.dtype.element), "store_tile", array, index, tile)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        for row in range(tile.count):
            where = builder.gep(pointer, [ir.Constant(ir.IntType(64), SIDE * row)])
            value = builder.extract_value(values[2], row)
            builder.store(value, builder.bitcast(where, value.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, index, tile), generate


@intrinsic
def transposed(typing, tile):
    """Lane i of vector j from lane j of vector i: four rounds, which swap halves, quarters, eighths and neighbours."""
    expect(_is_tile(tile), "transposed", tile)

    def generate(context, builder, signature, values):
        rows = [builder.extract_value(values[0], row) for row in range(SIDE)]
        distance = SIDE // 2
        while distance:
            for row in range(SIDE):
                if not row & distance:
                    rows[row], rows[row + distance] = _swapped(builder, rows[row], rows[row + distance], distance)
            distance //= 2
        return context.make_tuple(builder, signature.return_type, rows)

    return tile(tile), generate


def _swapped(builder, upper, lower, distance):
    """Both after the lanes with bit `distance` of the first changed places with those without it of the second."""
    first = [SIDE + lane - distance if lane & distance else lane for lane in range(SIDE)]
    second = [SIDE + lane if lane & distance else lane + distance for lane in range(SIDE)]
    picks = ir.VectorType(ir.IntType(32), SIDE)
    return tuple(builder.shuffle_vector(upper, lower, ir.Constant(picks, pick)) for pick in (first, second))


def _numbers(builder, pointer, element):
    """16 float32 from a pointer to them, or to as many bf16."""
    if element == types.float32:
        return load_as(builder, pointer, llvm_type(F32), 4)
    bits = builder.zext(load_as(builder, pointer, llvm_type(BF16_HALF), 2), llvm_type(I32))
    return builder.bitcast(builder.shl(bits, constant(llvm_type(I32), 16)), llvm_type(F32))


@intrinsic
def fma_strided(typing, rows, array, index, stride, vector):
    """`rows[i] += array[index + i * stride :][:16] * vector` of float32, or of bf16 given as uint16."""
    expect(
        is_array(array, types.float32, types.uint16) and vector == F32,
        "fma_strided",
        rows,
        array,
        index,
        stride,
        vector,
    )

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[1], values[1], signature.args[2], values[2])
        step = context.cast(builder, values[3], signature.args[3], types.intp)
        updated = []
        for row in range(rows.count):
            here = _numbers(builder, pointer, array.dtype)
            updated.append(fused(builder, here, values[4], builder.extract_value(values[0], row)))
            pointer = builder.gep(pointer, [step])
        return context.make_tuple(builder, signature.return_type, updated)

    return rows(rows, array, index, stride, vector), generate


@intrinsic
def fma_along(typing, rows, array, index, vector):
    """`rows[i] += array[index + 16 * i :][:16] * vector` of float32, or of bf16 given as uint16."""
    expect(is_array(array, types.float32, types.uint16) and vector == F32, "fma_along", rows, array, index, vector)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[1], values[1], signature.args[2], values[2])
        updated = []
        for row in range(rows.count):
            where = builder.gep(pointer, [ir.Constant(ir.IntType(64), SIDE * row)])
            here = _numbers(builder, where, array.dtype)
            updated.append(fused(builder, here, values[3], builder.extract_value(values[0], row)))
        return context.make_tuple(builder, signature.return_type, updated)

    return rows(rows, array, index, vector), generate


@intrinsic
def lane_sums(typing, tile):
    """In lane i the sum of all lanes of vector i, folded two vectors at a time: 15 additions in place of 64."""
    expect(_is_tile(tile) and tile.dtype == F32, "lane_sums", tile)

    def generate(context, builder, signature, values):
        rows = [builder.extract_value(values[0], row) for row in range(SIDE)]
        distance = SIDE // 2
        while distance:
            # Vector i and i + distance become one: the sums of the first in lanes without bit `distance`.
            halves = [_swapped(builder, rows[row], rows[row + distance], distance) for row in range(distance)]
            rows = [builder.fadd(*pair) for pair in halves]
            distance //= 2
        return rows[0]

    return tile.dtype(tile), generate

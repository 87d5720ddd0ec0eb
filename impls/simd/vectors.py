"""Vectors of 512 bits as Numba values, and the named operations on them.

A `Vector` is an LLVM vector, so LLVM keeps it in registers and lowers it on any CPU: one `zmm` with AVX-512, two `ymm`
with AVX2, four registers elsewhere. Arrays are C-contiguous of any dimension; an index counts elements from their
start. As with all compiled array code here, indices are not checked.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, register_model

BITS = 512


class Vector(types.Type):
    """The Numba type of `lanes` numbers of one element type."""

    def __init__(self, element, lanes):
        self.element, self.lanes = element, lanes
        super().__init__(f"Vector({element} x {lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, llvm_type(kind))


def llvm_type(kind):
    """`<16 x float>` of the float32 vector, `<64 x i8>` of the uint8 one."""
    element = ir.FloatType() if kind.element == types.float32 else ir.IntType(kind.element.bitwidth)
    return ir.VectorType(element, kind.lanes)


F32 = Vector(types.float32, 16)
I32 = Vector(types.int32, 16)
I8 = Vector(types.int8, 64)
U8 = Vector(types.uint8, 64)
# Pairs of bf16 along the sum that a product computes.
BF16 = Vector(types.uint16, 32)
# As many as there are float32 in a vector: the narrow results of a conversion.
BF16_HALF = Vector(types.uint16, 16)
I8_QUARTER = Vector(types.int8, 16)
# One for each row of a panel.
F32_HALF = Vector(types.float32, 8)
I32_HALF = Vector(types.int32, 8)


# What the other files of vector operations are built from.


def expect(condition, operation, *given):
    """TypingError where the types given to an operation are not those that it is defined for."""
    if not condition:
        raise TypingError(f"{operation}: not defined for {', '.join(map(str, given))}")


def is_array(kind, *elements):
    """Whether it is the type of a C-contiguous array of one of `elements`."""
    return isinstance(kind, types.Array) and kind.layout == "C" and kind.dtype in elements


def element_pointer(context, builder, array_kind, array, index_kind, index):
    """The address of the element at a flat index."""
    data = context.make_array(array_kind)(context, builder, array).data
    return builder.gep(data, [context.cast(builder, index, index_kind, types.intp)])


def load_as(builder, pointer, kind, align):
    """An LLVM load of `kind` from where elements of `align` bytes lie."""
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=align)


def splatted(builder, scalar, lanes):
    """A vector with `scalar` in each of `lanes`."""
    kind = ir.VectorType(scalar.type, lanes)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)


def called(builder, name, result, values):
    """A call of an LLVM intrinsic by its full name."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def constant(kind, value):
    """The vector constant with `value` in each lane."""
    return ir.Constant(kind, [value] * kind.count)


def fused(builder, a, b, c):
    """`a * b + c` of float32 vectors, rounded once."""
    return called(builder, f"llvm.fma.v{a.type.count}f32", a.type, [a, b, c])


# Memory.


@intrinsic
def load(typing, array, index):
    """The 512 bits of `array` from `index` on, wherever they lie: 16 float32 or int32, 32 uint16, 64 int8 or uint8."""
    expect(is_array(array, *(kind.element for kind in (F32, I32, I8, U8, BF16))), "load", array, index)
    kind = Vector(array.dtype, BITS // array.dtype.bitwidth)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        return load_as(builder, pointer, llvm_type(kind), array.dtype.bitwidth // 8)

    return kind(array, index), generate


@intrinsic
def load_bf16(typing, array, index):
    """16 bf16, given as uint16, from `index` on, as float32."""
    expect(is_array(array, types.uint16), "load_bf16", array, index)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        bits = builder.zext(load_as(builder, pointer, llvm_type(BF16_HALF), 2), llvm_type(I32))
        return builder.bitcast(builder.shl(bits, constant(llvm_type(I32), 16)), llvm_type(F32))

    return F32(array, index), generate


@intrinsic
def store(typing, array, index, vector):
    """All lanes of `vector` to `array` from `index` on; the array holds the vector's element type."""
    expect(isinstance(vector, Vector) and is_array(array, vector.element), "store", array, index, vector)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        target = builder.bitcast(pointer, values[2].type.as_pointer())
        builder.store(values[2], target, align=vector.element.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, vector), generate


@intrinsic
def load_first(typing, array, index, count):
    """As `load`, reading `count` elements only; 0 in the other lanes."""
    expect(is_array(array, *(kind.element for kind in (F32, I32, I8, U8, BF16))), "load_first", array, index, count)
    kind = Vector(array.dtype, BITS // array.dtype.bitwidth)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        vector = cgutils.alloca_once_value(builder, constant(llvm_type(kind), 0))
        limit = context.cast(builder, values[2], signature.args[2], types.intp)
        # Lane by lane: masked memory operations have other names and arguments in each version of LLVM.
        with cgutils.for_range(builder, limit) as loop:
            value = builder.load(builder.gep(pointer, [loop.index]))
            lane = builder.trunc(loop.index, ir.IntType(32))
            builder.store(builder.insert_element(builder.load(vector), value, lane), vector)
        return builder.load(vector)

    return kind(array, index, count), generate


@intrinsic
def store_first(typing, array, index, vector, count):
    """As `store`, writing the first `count` lanes only."""
    expect(isinstance(vector, Vector) and is_array(array, vector.element), "store_first", array, index, vector, count)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        limit = context.cast(builder, values[3], signature.args[3], types.intp)
        with cgutils.for_range(builder, limit) as loop:
            value = builder.extract_element(values[2], builder.trunc(loop.index, ir.IntType(32)))
            builder.store(value, builder.gep(pointer, [loop.index]))
        return context.get_dummy_value()

    return types.void(array, index, vector, count), generate


@intrinsic
def splat(typing, scalar):
    """A float32, an int32 or a uint16 in each lane."""
    expect(scalar in (types.float32, types.int32, types.uint16), "splat", scalar)
    kind = Vector(scalar, BITS // scalar.bitwidth)

    def generate(context, builder, signature, values):
        return splatted(builder, values[0], kind.lanes)

    return kind(scalar), generate

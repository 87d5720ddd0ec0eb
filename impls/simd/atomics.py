"""Atomic operations on int64 arrays, and ways to wait: what threads that share memory without locks are built from."""

import platform

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vectors import element_pointer, expect, is_array

_X86 = platform.machine().lower() in ("x86_64", "amd64", "x86", "i386", "i686")
_ARM = platform.machine().lower() in ("aarch64", "arm64")

# Of the C library: lets another thread have the processor; sleeps for so many microseconds. POSIX only.
yield_processor = types.ExternalFunction("sched_yield", types.int32())
sleep_microseconds = types.ExternalFunction("usleep", types.int32(types.uint32))


@intrinsic
def atomic_load(typing, array, index):
    """`array[index]`; what another thread wrote before it stored or added this value is seen from here on."""
    expect(is_array(array, types.int64), "atomic_load", array, index)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(array, index), generate


@intrinsic
def atomic_store(typing, array, index, value):
    """`array[index] = value`; whoever loads it sees what this thread wrote before."""
    expect(is_array(array, types.int64), "atomic_store", array, index, value)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        number = context.cast(builder, values[2], signature.args[2], types.int64)
        builder.store_atomic(number, pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(array, index, value), generate


@intrinsic
def atomic_add(typing, array, index, value):
    """`array[index] += value` as one step, in order with what was written before and is read after; the old value."""
    expect(is_array(array, types.int64), "atomic_add", array, index, value)

    def generate(context, builder, signature, values):
        pointer = element_pointer(context, builder, signature.args[0], values[0], signature.args[1], values[1])
        number = context.cast(builder, values[2], signature.args[2], types.int64)
        return builder.atomic_rmw("add", pointer, number, "acq_rel")

    return types.int64(array, index, value), generate


@intrinsic
def pause(typing):
    """Tells the processor that this is a loop that waits: it saves power, and leaves the loop sooner."""

    def generate(context, builder, signature, values):
        nothing = ir.VoidType()
        if _X86:
            hint = ir.FunctionType(nothing, [])
            builder.call(cgutils.get_or_insert_function(builder.module, hint, "llvm.x86.sse2.pause"), [])
        elif _ARM:
            hint = ir.FunctionType(nothing, [ir.IntType(32)])
            yielding = ir.Constant(ir.IntType(32), 1)
            builder.call(cgutils.get_or_insert_function(builder.module, hint, "llvm.aarch64.hint"), [yielding])
        return context.get_dummy_value()

    return types.void(), generate

"""The processor's clock, for timers inside compiled code."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .atomics import _X86


@intrinsic
def cycles(typing):
    """A counter that runs at a steady rate of its own (on x86 that of the nominal clock); elsewhere always 0.

    What LLVM reads on ARM is closed to a program unless the system opens it.
    """

    def generate(context, builder, signature, values):
        if not _X86:
            return ir.Constant(ir.IntType(64), 0)
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.readcyclecounter"), [])

    return types.int64(), generate

"""The processor's clock, for timers inside compiled code."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


@intrinsic
def cycles(typing):
    """A counter that runs at a steady rate of its own (on x86 that of the nominal clock); 0 where there is none."""

    def generate(context, builder, signature, values):
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.readcyclecounter"), [])

    return types.int64(), generate

"""Arrays of which compiled threads need no count of references: what keeps them alive is outside of the code.

Each slice of an array that Numba knows the owner of counts one up and one down again; two threads that do it for the
same array wait for each other's cache line longer than a small product takes.
"""

from numba import carray, njit
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def borrowed(typing, array):
    """The same array, owned by nobody."""

    def generate(context, builder, signature, values):
        struct = context.make_array(array)(context, builder, values[0])
        struct.meminfo = context.get_constant_null(types.MemInfoPointer(types.voidptr))
        struct.parent = context.get_constant_null(types.pyobject)
        return struct._getvalue()

    return array(array), generate


@intrinsic
def _pointer(typing, address, like):
    """An address as a pointer to elements of the kind that the array `like` has."""
    kind = types.CPointer(like.dtype)

    def generate(context, builder, signature, values):
        return builder.inttoptr(values[0], context.get_value_type(kind))

    return kind(types.int64, like), generate


@njit
def array_at(address, shape, like):
    """The C-contiguous array of that shape at an address, of the dtype of the array `like`."""
    return carray(_pointer(address, like), shape)

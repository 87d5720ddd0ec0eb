"""Elementary functions written so that LLVM vectorises the loops that call them; Numba's own call the C library."""

import numpy as np
from numba import njit

# The licences that vectorising a sum needs; NaN and infinities keep their meaning.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}

_LOG2_E = np.float32(1.442695041)
# ln 2 in two parts, the first with few bits, so that its product with a whole number is exact (Cody and Waite 1980).
_LN_2_HIGH, _LN_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_SMALLEST, _LARGEST = np.float32(-86.64339), np.float32(88.72284)


@njit(fastmath={"contract", "nsz"}, inline="always")
def exp(x):
    """`e**x` of a float32 to about 1 ulp, 0 below 2**-125 and infinity above the range (polynomial: Cephes expf)."""
    limited = min(max(x, _SMALLEST), _LARGEST)
    power = np.rint(limited * _LOG2_E)
    rest = x - power * _LN_2_HIGH
    rest -= power * _LN_2_LOW
    series = np.float32(1.9875691500e-4)
    series = series * rest + np.float32(1.3981999507e-3)
    series = series * rest + np.float32(8.3334519073e-3)
    series = series * rest + np.float32(4.1665795894e-2)
    series = series * rest + np.float32(1.6666665459e-1)
    series = series * rest + np.float32(5.0000001201e-1)
    series = series * rest * rest + rest + np.float32(1)
    # Half of 2**power, since 2**128 is out of range where the result is still within.
    half = np.int32((np.int32(power) + 126) << 23).view(np.float32)
    return np.float32(0) if x < _SMALLEST else series * half * np.float32(2)


@njit(fastmath=FASTMATH, inline="always")
def silu(x):
    """`x / (1 + e**-x)` of a float32."""
    return x / (np.float32(1) + exp(-x))


@njit
def largest(x):
    """The largest of a contiguous 1-D float32 array.

    LLVM vectorises no maximum of floats without leave to ignore NaN; the same bits as integers, the negative ones
    turned over, have the same order.
    """
    bits = x.view(np.int32)
    found = np.int32(-(2**31))
    for i in range(bits.shape[0]):
        ordered = np.int32(bits[i] ^ np.int32(np.int32(bits[i] >> 31) & 0x7FFFFFFF))
        found = max(found, ordered)
    return np.int32(found ^ np.int32(np.int32(found >> 31) & 0x7FFFFFFF)).view(np.float32)

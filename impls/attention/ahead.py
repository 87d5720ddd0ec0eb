"""Keys and values asked for ahead of their turn, one position after the other, as they lie in memory.

Where queries share keys, a turn takes some positions of one head and then those of the next, a step that prefetchers
lose their way in: 26 MB that 2 threads read like that came at 33 to 51 GB/s at best, at 86 to 95 when asked for ahead.
"""

from numba import njit

from ..simd.starts import prefetch_to_second

# Positions ahead: to be near in time, and still near when they are read.
AHEAD = 16
# Bytes of keys and values from which on it pays: 16 and 26 MB take 15 to 44 % less time; 13 MB from 35 % less to 19 %
# more, by how much of it the last cache holds; and 8 MB, which that holds, 9 to 27 % more.
ASKED_FROM = 12_000_000


@njit
def ask(start, at, stride, width, line, positions, turn, turns):
    """Part `turn` of `turns` of the cache lines of `positions` rows, which may lie beyond the array.

    Rows of `width` elements, `stride` apart from `at` on, `line` to a cache line.
    """
    for row in range(turn * positions // turns, (turn + 1) * positions // turns):
        for i in range(0, width, line):
            prefetch_to_second(start, at + row * stride + i)

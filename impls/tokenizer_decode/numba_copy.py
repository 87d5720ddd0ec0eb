"""Two passes over the ids: their sizes are added up, then the bytes are copied eight at a time."""

import numpy as np
from jaxtyping import Int32, UInt8
from numba import njit, types

from . import numpy_join

# Bytes that a copy may write beyond the end of a token; the next token writes over them.
BEYOND = 8


def prepare(tokens, byte_ids, unk_id):
    table, first = numpy_join.prepare(tokens, byte_ids, unk_id)
    sizes = np.array([len(text) for text in table], np.int32)
    skipped = sizes - np.array([len(text) for text in first], np.int32)
    content = np.frombuffer(bytearray().join([*table, bytes(BEYOND)]), np.uint8)
    return content, (np.cumsum(sizes) - sizes).astype(np.int32), sizes, skipped


def tokenizer_decode(
    ids: Int32[np.ndarray, " ids"],
    content: UInt8[np.ndarray, " all"],
    starts: Int32[np.ndarray, " vocab_size"],
    sizes: Int32[np.ndarray, " vocab_size"],
    skipped: Int32[np.ndarray, " vocab_size"],
) -> UInt8[np.ndarray, " bytes"]:
    """The UTF-8 text that token ids stand for, as the reference defines it."""
    ids = np.ascontiguousarray(ids)
    total = _size(ids, sizes)
    if total < 0:
        raise ValueError(f"ids: {ids[-1 - total]} is not a token; expected 0 <= id < vocab_size = {sizes.size}")
    result = np.empty(total + BEYOND, np.uint8)
    return result[_copy(ids, content, starts, sizes, skipped, result) : total]


_I32, _U8 = types.int32[::1], types.uint8[::1]


@njit((_I32, _I32), cache=True)
def _size(ids, sizes):
    """The bytes of all tokens, or `-1 - i` where the i-th id is none of the vocabulary's."""
    total = 0
    for i in range(ids.size):
        if ids[i] < 0 or ids[i] >= sizes.size:
            return -1 - i
        total += sizes[ids[i]]
    return total


@njit((_U8, types.int64, _U8, types.int64))
def _eight(source, start, target, at):
    """Copy eight bytes: read before they are written, so that they may travel in one register."""
    a, b, c, d = source[start], source[start + 1], source[start + 2], source[start + 3]
    e, f, g, h = source[start + 4], source[start + 5], source[start + 6], source[start + 7]
    target[at], target[at + 1], target[at + 2], target[at + 3] = a, b, c, d
    target[at + 4], target[at + 5], target[at + 6], target[at + 7] = e, f, g, h


@njit((_I32, _U8, _I32, _I32, _I32, _U8), cache=True)
def _copy(ids, content, starts, sizes, skipped, result):
    """Write the bytes of all tokens, and return how many at the beginning are not part of the text."""
    at, skip = 0, -1
    for i in range(ids.size):
        size, start = sizes[ids[i]], starts[ids[i]]
        if size > 0 and skip < 0:
            skip = skipped[ids[i]]
        for done in range(0, size, BEYOND):
            _eight(content, start + done, result, at + done)
        at += size
    return max(skip, 0)

"""The bytes of all tokens as one array: the index of each byte of the text is counted, then all are taken at once."""

import numpy as np
from jaxtyping import Int32, UInt8

from . import numpy_join
from .reference import check_ids


def prepare(tokens, byte_ids, unk_id):
    table, first = numpy_join.prepare(tokens, byte_ids, unk_id)
    sizes = np.array([len(text) for text in table])
    skipped = sizes - [len(text) for text in first]
    return np.frombuffer(bytearray().join(table), np.uint8), np.cumsum(sizes) - sizes, sizes, skipped


def tokenizer_decode(
    ids: Int32[np.ndarray, " ids"],
    content: UInt8[np.ndarray, " all"],
    starts: np.ndarray,
    sizes: np.ndarray,
    skipped: np.ndarray,
) -> UInt8[np.ndarray, " bytes"]:
    """The UTF-8 text that token ids stand for, as the reference defines it."""
    check_ids(ids, sizes.size)
    taken = sizes[ids]
    ends = np.cumsum(taken)
    total = int(ends[-1]) if ends.size else 0
    ends -= taken
    index = np.repeat(starts[ids] - ends, taken)
    index += np.arange(total)
    # Control tokens stand for nothing; the text begins after them.
    begin = skipped[ids[np.argmax(taken > 0)]] if total else 0
    return content[index[begin:]]

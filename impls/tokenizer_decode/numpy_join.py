"""The bytes of every token in a table, joined."""

import numpy as np
from jaxtyping import Int32, UInt8

from .reference import check_ids


def prepare(tokens, byte_ids, unk_id):
    table = [token.encode() for token in tokens]
    table[unk_id] = " ⁇ ".encode()
    for byte, token_id in enumerate(byte_ids.tolist()):
        table[token_id] = bytes([byte])
    first = list(table)
    for token_id, token in enumerate(tokens):
        first[token_id] = token.removeprefix(" ").encode() if token else table[token_id]
    return table, first


def tokenizer_decode(
    ids: Int32[np.ndarray, " ids"], table: list[bytes], first: list[bytes]
) -> UInt8[np.ndarray, " bytes"]:
    """The UTF-8 text that token ids stand for, as the reference defines it; `first` is for what comes before text."""
    check_ids(ids, len(table))
    parts = list(map(table.__getitem__, ids.tolist()))
    # Control tokens stand for nothing; the text begins after them.
    for at, part in enumerate(parts):
        if part:
            parts[at] = first[ids[at]]
            break
    return np.frombuffer(bytearray().join(parts), np.uint8)

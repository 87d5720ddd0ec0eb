"""The definition, with each id looked up in the lists."""

import numpy as np
from jaxtyping import Int32, UInt8


def tokenizer_decode(
    ids: Int32[np.ndarray, " ids"], tokens: tuple[str, ...], byte_ids: Int32[np.ndarray, "256"], unk_id: int
) -> UInt8[np.ndarray, " bytes"]:
    """The UTF-8 text that token ids stand for, without the space in front of the first piece of text.

    The unknown token reads ' ⁇ ', as in SentencePiece. Tokens that are neither text, byte nor unknown are '' and stand
    for nothing. What byte tokens make need not be valid UTF-8. ValueError for an id outside the vocabulary.
    """
    check_ids(ids, len(tokens))
    of_bytes = byte_ids.tolist()
    parts: list[bytes] = []
    for token_id in ids.tolist():
        if token_id in of_bytes:
            parts.append(bytes([of_bytes.index(token_id)]))
        elif token_id == unk_id:
            parts.append(" ⁇ ".encode())
        elif tokens[token_id]:
            text = tokens[token_id]
            parts.append((text if parts else text.removeprefix(" ")).encode())
    return np.frombuffer(bytearray().join(parts), np.uint8)


def check_ids(ids: Int32[np.ndarray, " ids"], vocab_size: int) -> None:
    """ValueError that names the first id outside the vocabulary."""
    outside = ids[(ids < 0) | (ids >= vocab_size)]
    if outside.size:
        raise ValueError(f"ids: {outside[0]} is not a token; expected 0 <= id < vocab_size = {vocab_size}")

"""The definition, as llama2.c's descendants in Python have it: for each merge, every pair is searched in the list."""

import numpy as np
from jaxtyping import Float, Int32


def tokenizer_encode(
    text: str, tokens: tuple[str, ...], scores: Float[np.ndarray, " vocab_size"], byte_ids: Int32[np.ndarray, "256"]
) -> Int32[np.ndarray, " ids"]:
    """Token ids of `text` by byte-pair merges as SentencePiece makes them (Sennrich et al. 2016, arXiv 1508.07909).

    A space goes before a text that is not empty; '▁' (U+2581) is a space. Neighbours are joined into the token of the
    highest score, the leftmost of equals, until no two make a token; a character without one becomes its UTF-8 bytes.
    Tokens that text is never read as are ''. UnicodeEncodeError, a ValueError, for a lone surrogate.
    """
    symbols = list((" " + text).replace("▁", " ")) if text else []
    while True:
        best, at = -np.inf, -1
        for i in range(len(symbols) - 1):
            pair = symbols[i] + symbols[i + 1]
            if pair in tokens and (score := scores[tokens.index(pair)]) > best:
                best, at = score, i
        if at < 0:
            break
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
    ids: list[int] = []
    for symbol in symbols:
        if symbol in tokens:
            ids.append(tokens.index(symbol))
        else:
            ids.extend(byte_ids[byte] for byte in symbol.encode())
    return np.array(ids, np.int32)

"""The symbols as a linked list and the pairs in a heap, hence O(n log n), as in SentencePiece's bpe_model.cc."""

import heapq

import numpy as np
from jaxtyping import Int32

from .numpy_dict import looked_up, prepare

__all__ = ["prepare", "tokenizer_encode"]


def tokenizer_encode(
    text: str, ids: dict[str, int], costs: dict[str, float], byte_ids: list[int]
) -> Int32[np.ndarray, " ids"]:
    """Token ids of `text` by byte-pair merges, as the reference defines them."""
    symbols = merged((" " + text).replace("▁", " "), costs) if text else []
    return np.array(looked_up(symbols, ids, byte_ids), np.int32)


def merged(text: str, costs: dict[str, float]) -> list[str]:
    """Characters, joined two by two while a pair is a token: the cheapest first, the leftmost of equals."""
    symbols = list(text)
    end = len(symbols)
    following = list(range(1, end + 1))
    preceding = list(range(-1, end - 1))
    heap: list[tuple[float, int, int, str]] = []

    def offer(left: int, right: int) -> None:
        piece = symbols[left] + symbols[right]
        cost = costs.get(piece)
        if cost is not None:
            heapq.heappush(heap, (cost, left, right, piece))

    for left in range(end - 1):
        offer(left, left + 1)
    while heap:
        _, left, right, piece = heapq.heappop(heap)
        # A pair is out of date once its left side was merged away, or either side has changed its length.
        if not symbols[left] or len(symbols[left]) + len(symbols[right]) != len(piece):
            continue
        symbols[left], symbols[right] = piece, ""
        after = following[left] = following[right]
        if after < end:
            preceding[after] = left
            offer(left, after)
        if preceding[left] >= 0:
            offer(preceding[left], left)
    return [symbol for symbol in symbols if symbol]

"""The definition with the tokens in a dict: the list is never searched, but every merge still looks at every pair."""

import numpy as np
from jaxtyping import Int32


def prepare(tokens, scores, byte_ids):
    # Written last to first, so that the first of several equal tokens stays.
    last_to_first = [token_id for token_id in range(len(tokens) - 1, -1, -1) if tokens[token_id]]
    numbers = scores.tolist()
    ids = {tokens[token_id]: token_id for token_id in last_to_first}
    costs = {tokens[token_id]: -numbers[token_id] for token_id in last_to_first}
    return ids, costs, byte_ids.tolist()


def tokenizer_encode(
    text: str, ids: dict[str, int], costs: dict[str, float], byte_ids: list[int]
) -> Int32[np.ndarray, " ids"]:
    """Token ids of `text` by byte-pair merges, as the reference defines them; O(n**2)."""
    symbols = list((" " + text).replace("▁", " ")) if text else []
    while True:
        least, at = np.inf, -1
        for i in range(len(symbols) - 1):
            cost = costs.get(symbols[i] + symbols[i + 1])
            if cost is not None and cost < least:
                least, at = cost, i
        if at < 0:
            return np.array(looked_up(symbols, ids, byte_ids), np.int32)
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]


def looked_up(symbols: list[str], ids: dict[str, int], byte_ids: list[int]) -> list[int]:
    """The ids of merged symbols, of those without one the ids of their bytes."""
    found: list[int] = []
    for symbol in symbols:
        token_id = ids.get(symbol)
        if token_id is None:
            found.extend(byte_ids[byte] for byte in symbol.encode())
        else:
            found.append(token_id)
    return found

"""Word by word, each different word of a text merged once: what repeats is looked up.

No merge reaches a character that is in no longer token, nor across the place before a space, where all tokens hold
spaces at their beginning only, as Llama's do. What is left between is a word; it is merged by itself.
"""

import re

import numpy as np
from jaxtyping import Int32

from . import numpy_dict
from .numpy_dict import looked_up
from .numpy_heap import merged


def prepare(tokens, scores, byte_ids):
    longer = [token for token in tokens if len(token) > 1]
    inside = "".join(re.escape(character) for character in sorted(set("".join(longer)) - {" "}))
    one = f"[{inside}]" if inside else "(?!)"
    # Where a token holds a space elsewhere, words do not end at spaces.
    pattern = f"(?:{one}| )++|." if any(re.search("[^ ] ", token) for token in longer) else f" *+{one}++| ++|."
    return re.compile(pattern, re.DOTALL), *numpy_dict.prepare(tokens, scores, byte_ids)


def tokenizer_encode(
    text: str, words: re.Pattern[str], ids: dict[str, int], costs: dict[str, float], byte_ids: list[int]
) -> Int32[np.ndarray, " ids"]:
    """Token ids of `text` by byte-pair merges, as the reference defines them."""
    known: dict[str, list[int]] = {}
    found: list[int] = []
    for word in words.findall((" " + text).replace("▁", " ")) if text else ():
        if word not in known:
            known[word] = looked_up(merged(word, costs), ids, byte_ids)
        found += known[word]
    return np.array(found, np.int32)

"""Token ids to UTF-8 text, as SentencePiece writes it for Llama 2 (arXiv 1808.06226)."""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..tokenizer_encode.numpy_heap import prepare, tokenizer_encode
from ..tokenizer_encode.spec import check_equal, text_of, vocabulary_of
from .reference import tokenizer_decode

UNK_ID, BOS_ID, EOS_ID = range(3)


def inputs(rng, dtype, characters, kind, pieces):
    tokens, scores, byte_ids = vocabulary_of(rng, pieces)
    if kind == "tokens":
        ids = _tokens(rng, characters, tokens, byte_ids)
    else:
        text = tokenizer_encode(text_of(rng, kind, characters), *prepare(tokens, scores, byte_ids))
        ids = np.array([BOS_ID, *text, EOS_ID], np.int32)
    return ids, tokens, byte_ids, UNK_ID


def _tokens(rng, count, tokens, byte_ids):
    """Any tokens, control tokens, unknown ones and '▁' among them, that make valid UTF-8 and begin with a piece."""
    every = rng.integers(len(tokens), size=count)
    special = rng.choice([UNK_ID, BOS_ID, EOS_ID, tokens.index(" ")], count)
    ids = np.where(rng.random(count) < 0.5, special, every).astype(np.int32)
    ids[np.isin(ids, byte_ids[0x80:])] = byte_ids[0x41]
    ids[:1] = len(tokens) - 1
    return ids


def work(itemsize, characters, kind, pieces):
    """Ids are read, about one for three characters, and text is written."""
    return Work(flops=0, bytes=characters + itemsize * characters / 3)


def agrees(text, *arguments):
    check_equal(text, tokenizer_decode(*arguments))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "line-48": {"characters": 48, "kind": "prose", "pieces": 2048},
        "page-4k": {"characters": 4000, "kind": "prose", "pieces": 2048},
    },
    heavy={"text-100k": {"characters": 100_000, "kind": "prose", "pieces": 2048}},
    domain={"characters": (0, 1, 7, 40), "kind": ("prose", "runs", "letters", "tokens"), "pieces": (0, 40, 200)},
    ulps={"i32": 0},
    agrees=agrees,
    dtypes={"*": ("i32",)},
    weights=3,
)

"""Text to token ids by byte-pair merges, as SentencePiece makes them for Llama 2 (arXiv 1808.06226)."""

from pydoc_data.topics import topics

import numpy as np

from kernelgate.kernel import Extrapolated, Kernel, Work

from ..vocabulary import default_vocabulary
from .numpy_heap import prepare as heap_prepare
from .numpy_heap import tokenizer_encode as heap_encode
from .reference import tokenizer_encode

LETTERS = "abe  tn\n\t0-=*éè▁ß字\U0001f600\U00010348\u200d\0<"
# The reference takes about 0.02 us for each token and pair of characters; 300 characters take it 2 s.
REFERENCE_CHARACTERS = 64


def inputs(rng, dtype, characters, kind, pieces):
    return text_of(rng, kind, characters), *vocabulary_of(rng, pieces)


def text_of(rng, kind, characters):
    """A piece of the language reference that each Python has, or characters that make tokenizers stumble."""
    if kind == "prose":
        prose = "\n".join(topics[name] for name in sorted(topics))
        start = int(rng.integers(len(prose) - characters))
        return prose[start : start + characters]
    letters = rng.choice(list(LETTERS), int(rng.integers(1, len(LETTERS))))
    repeats = rng.integers(1, 9, characters) if kind == "runs" else np.ones(characters, int)
    return "".join(np.repeat(rng.choice(letters, characters), repeats))[:characters]


def vocabulary_of(rng, pieces):
    """The project's vocabulary, or with fewer pieces a few of its merges and most of its characters."""
    tokens, scores, byte_ids = default_vocabulary().encoding
    if pieces >= len(tokens):
        return tokens, scores, byte_ids
    known = {token for token in tokens if len(token) == 1 and (token == " " or rng.random() < 0.9)}
    joined = [i for i, token in enumerate(tokens) if len(token) > 1 and known.issuperset(token)]
    kept = [i for i, token in enumerate(tokens) if token in known or not token] + joined[:pieces]
    kept.sort()  # the tokens that are no text are the first, so that the byte ids stay
    return tuple(tokens[i] for i in kept), scores[kept], byte_ids


def work(itemsize, characters, kind, pieces):
    """Text is read and ids are written, about one for four characters."""
    return Work(flops=0, bytes=characters + itemsize * characters / 4)


def agrees(ids, text, *vocabulary):
    """Every id is the reference's; of long texts, those of the heap, which is proven on short ones."""
    if len(text) <= REFERENCE_CHARACTERS:
        check_equal(ids, tokenizer_encode(text, *vocabulary))
    else:
        check_equal(ids, heap_encode(text, *heap_prepare(*vocabulary)))


def check_equal(given, expected):
    """AssertionError unless two arrays are the same in every element, in shape and in dtype."""
    given_as, expected_as = f"{given.dtype}{list(given.shape)}", f"{expected.dtype}{list(expected.shape)}"
    assert given_as == expected_as, f"gave {given_as}, expected {expected_as}"
    different = np.flatnonzero(given != expected)
    assert not different.size, f"at {different[0]} gave {given[different[0]]}, expected {expected[different[0]]}"


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "line-48": {"characters": 48, "kind": "prose", "pieces": 2048},
        "text-100k": {"characters": 100_000, "kind": "prose", "pieces": 2048},
    },
    # The reference looks at every pair for every merge: its time grows as the square of the length.
    extrapolated={"text-100k": Extrapolated("line-48", (100_000 / 48) ** 2, ("reference", "numpy_dict"))},
    domain={"characters": (0, 1, 2, 17, 40), "kind": ("prose", "runs", "letters"), "pieces": (0, 40, 200)},
    ulps={"i32": 0},
    agrees=agrees,
    dtypes={"*": ("i32",)},
    weights=3,
)

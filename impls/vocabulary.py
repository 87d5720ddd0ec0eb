"""Text to token ids and back: the tokenizer of Llama 2, byte-pair merges as SentencePiece makes them.

Three file formats hold the same vocabulary and are read into one form, so that all three encode alike:

- `.json`   llama3.np: `{"tokens": [...], "scores": [...]}`
- `.bin`    llama2.c's tokenizer.bin
- `.model`  SentencePiece (needs the sentencepiece package: `pip install kernelgate[tokenizer]`)

llama3.np's file, like early files of llama2.c, holds a byte token not under its name (`<0x61>`) but as the raw
character ('a'), so that 204 of its 32,000 tokens occur twice: 'a' is byte 100 and piece 29874. Looking up the plain
string finds the byte, which SentencePiece never answers for a character that has a piece, and which models were not
trained on. Hence the block of raw bytes is recognised by its place (id 3 + byte) and given its names. Of equal tokens
that remain, the first one wins.

Text decodes to itself but for one character: SentencePiece writes a space as '▁' (U+2581), and so reads that character
as a space. So does this, since models were trained on what SentencePiece gave.

How text is encoded and decoded is in the kernels `tokenizer_encode` and `tokenizer_decode`.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from .tokenizer_decode import numpy_join
from .tokenizer_encode import numpy_words
from .vocabulary_files import (
    BYTE_NAMES,
    SENTENCEPIECE_SPACE,
    SPECIAL_NAMES,
    VocabularyError,
    find_bytes,
    find_token,
    from_bin,
    from_json,
    from_model,
)

LARGEST_SCORE = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Tokens by id. A space is a space (not '▁'), a byte token is called `<0x0A>`.

    `control_ids` stand for no text. Made by `read` (a file) or `of` (two sequences), which find the ids.
    """

    tokens: tuple[str, ...]
    scores: Float32[np.ndarray, " vocab_size"]
    bos_id: int
    eos_id: int
    unk_id: int
    byte_ids: tuple[int, ...]
    control_ids: frozenset[int]

    @classmethod
    def read(cls, path: str | Path) -> Vocabulary:
        """Read a `.json`, `.bin` or `.model` file. Raises VocabularyError, or ImportError without sentencepiece.

        A `.bin` does not say how many tokens it holds: compare `vocab_size` with the model's.
        """
        path = Path(path)
        reader = {".json": from_json, ".bin": from_bin, ".model": from_model}.get(path.suffix)
        if reader is None:
            raise VocabularyError(f"{path}: expected a name ending in .json, .bin or .model")
        content = path.read_bytes()
        try:
            if not content:
                raise VocabularyError("the file is empty")
            found = reader(content)
            vocabulary = cls.of(found.tokens, found.scores, found.control_ids)
            text, ids = found.sample
            if vocabulary.encode(text, bos=False) != list(ids):
                raise VocabularyError(
                    "SentencePiece encodes text by other rules with this model; expected the Llama 2 kind: "
                    "model_type bpe, byte_fallback, identity normaliser, dummy prefix, no user-defined symbols"
                )
        except (VocabularyError, ImportError) as error:
            raise type(error)(f"{path}: {error}") from error
        return vocabulary

    @classmethod
    def of(cls, tokens: Sequence[str], scores: Sequence[float], control_ids: Collection[int] = ()) -> Vocabulary:
        """Check tokens and scores, whichever way they write spaces and bytes, and find the special tokens."""
        if len(tokens) != len(scores):
            raise VocabularyError(f"{len(tokens)} tokens but {len(scores)} scores; expected one score for each token")
        for token_id, (token, score) in enumerate(zip(tokens, scores, strict=True)):
            if not isinstance(token, str) or not token:
                raise VocabularyError(f"token {token_id} is {token!r}, expected a string that is not empty")
            # The comparison is false for NaN, and safe for an integer that no float can hold.
            if type(score) not in (int, float) or not -LARGEST_SCORE <= score <= LARGEST_SCORE:
                raise VocabularyError(f"the score of token {token_id} is {score!r}, expected a finite float32")
        names = [token.replace(SENTENCEPIECE_SPACE, " ") for token in tokens]
        special = [find_token(names, name) for name in SPECIAL_NAMES]
        for token_id, name in zip(special, SPECIAL_NAMES, strict=True):
            names[token_id] = name
        byte_ids = find_bytes(names)
        for token_id, name in zip(byte_ids, BYTE_NAMES, strict=True):
            names[token_id] = name
        _check_text(names)
        array = np.array(scores, dtype=np.float32)
        array.setflags(write=False)
        unk_id, bos_id, eos_id = special
        return cls(tuple(names), array, bos_id, eos_id, unk_id, byte_ids, frozenset({bos_id, eos_id, *control_ids}))

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    def encode(self, text: str, bos: bool = True, eos: bool = False) -> list[int]:
        """Token ids of `text`. Nothing in the text is read as a control or byte token: '<s>' is three characters.

        A space is put in front of a text that is not empty, as in Llama 2. A character without a piece becomes the
        byte tokens of its UTF-8 form. Raises ValueError for a lone surrogate, which has none.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text: character {error.start} is the lone surrogate U+{ord(text[error.start]):04X}, "
                "which is not Unicode text; decode the input properly or replace it"
            ) from error
        ids = numpy_words.tokenizer_encode(text, *self._encoder).tolist()
        return [self.bos_id] * bos + ids + [self.eos_id] * eos

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids, without the space in front; the unknown token reads ' ⁇ ', as in SentencePiece.

        Byte tokens that are not valid UTF-8 become U+FFFD. Raises ValueError for an id outside the vocabulary.
        """
        given = [operator.index(token_id) for token_id in ids]
        for token_id in given:
            if not 0 <= token_id < self.vocab_size:
                raise ValueError(f"ids: {token_id} is not a token; expected 0 <= id < vocab_size = {self.vocab_size}")
        text = numpy_join.tokenizer_decode(np.array(given, np.int32), *self._decoder)
        return text.tobytes().decode(errors="replace")

    @cached_property
    def encoding(self) -> tuple[tuple[str, ...], Float32[np.ndarray, " vocab_size"], Int32[np.ndarray, " bytes"]]:
        """The weights of `tokenizer_encode`: tokens that text is read as (the others are ''), scores, byte ids."""
        hidden = {self.unk_id, *self.byte_ids, *self.control_ids}
        pieces = tuple("" if token_id in hidden else token for token_id, token in enumerate(self.tokens))
        return pieces, self.scores, np.array(self.byte_ids, np.int32)

    @cached_property
    def decoding(self) -> tuple[tuple[str, ...], Int32[np.ndarray, " bytes"], int]:
        """The weights of `tokenizer_decode`: the tokens as in `encoding`, byte ids, the id of the unknown token."""
        pieces, _, byte_ids = self.encoding
        return pieces, byte_ids, self.unk_id

    @cached_property
    def _encoder(self) -> tuple[Any, ...]:
        return numpy_words.prepare(*self.encoding)

    @cached_property
    def _decoder(self) -> tuple[Any, ...]:
        return numpy_join.prepare(*self.decoding)


def _check_text(names: Sequence[str]) -> None:
    if " " not in names:
        raise VocabularyError("there is no token for a space ('▁' in SentencePiece), which is put before each text")
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise VocabularyError(f"a token holds a lone surrogate, {error.object[error.start]!r}") from error


@cache
def default_vocabulary() -> Vocabulary:
    """The vocabulary that comes with the project; data/train_vocabulary.py made it."""
    found = from_json(_data("vocabulary.json"))
    return Vocabulary.of(found.tokens, found.scores)


def default_prompt() -> str:
    """The text that benchmarks start from: the beginning of a story."""
    return _data("prompt.txt").decode().rstrip("\n")


def _data(name: str) -> bytes:
    return files(__package__).joinpath("data", name).read_bytes()

"""GPT-2's tokenizer: byte-level BPE by the `tokenizers` package, from Hugging Face's vocab.json and merges.txt."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .vocabulary_files import VocabularyError

VOCABULARY, MERGES = "vocab.json", "merges.txt"
END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, eq=False)
class ByteLevelBPE:
    """Any text has tokens, and they give it back. `unk_id` stands for an id that is none, as in Hugging Face's."""

    tokenizer: Any
    vocab_size: int
    eos_id: int

    @property
    def unk_id(self) -> int:
        return self.eos_id

    @classmethod
    def read(cls, directory: str | Path) -> ByteLevelBPE:
        """The tokenizer in a directory with vocab.json and merges.txt, as a GPT-2 checkpoint is.

        Raises VocabularyError, which names file and fault, OSError, and ImportError without `tokenizers`.
        """
        try:
            from tokenizers import Tokenizer, decoders, models, pre_tokenizers
        except ImportError as error:
            raise ImportError(
                f"{directory}: byte-level BPE takes the tokenizers package: pip install kernelgate[tokenizer]"
            ) from error
        directory = Path(directory)
        ids = _ids(directory / VOCABULARY, pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE(ids, _merges(directory / MERGES, ids)))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        return cls(tokenizer, len(ids), ids[END_OF_TEXT])

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, in which nothing is read as a control token. ValueError for a lone surrogate."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text: character {error.start} is the lone surrogate U+{ord(text[error.start]):04X}, "
                "which is not Unicode text; decode the input properly or replace it"
            ) from error
        return list(self.tokenizer.encode(text).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 become U+FFFD. ValueError for an id that is no token."""
        given = [operator.index(token_id) for token_id in ids]
        for token_id in given:
            if not 0 <= token_id < self.vocab_size:
                raise ValueError(f"ids: {token_id} is not a token; expected 0 <= id < vocab_size = {self.vocab_size}")
        return str(self.tokenizer.decode(given, skip_special_tokens=False))


def _ids(path: Path, alphabet: Iterable[str]) -> dict[str, int]:
    try:
        ids = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"{path}: not JSON: {error}") from error
    if not isinstance(ids, dict) or not all(type(token_id) is int for token_id in ids.values()):
        raise VocabularyError(f"{path}: expected an object with an id for each token")
    if sorted(ids.values()) != list(range(len(ids))):
        raise VocabularyError(f"{path}: the ids of {len(ids)} tokens are not 0 to {len(ids) - 1}, each once")
    for token in (END_OF_TEXT, *sorted(alphabet)):
        if token not in ids:
            raise VocabularyError(f"{path}: there is no token {token!r}; expected a vocabulary of GPT-2's kind")
    return ids


def _merges(path: Path, ids: dict[str, int]) -> list[tuple[str, str]]:
    """Pairs of tokens, the first to be merged before the second."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path}: not UTF-8: {error}") from error
    merges = []
    for number, line in enumerate(lines, 1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        pair = tuple(line.split(" "))
        if len(pair) != 2 or not ids.keys() >= {*pair, "".join(pair)}:
            raise VocabularyError(f"{path}: line {number} is {line!r}, expected two tokens that make a third")
        merges.append(pair)
    return merges

"""The three files that a Llama vocabulary comes in, and how each of them spells control and byte tokens."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import NamedTuple

SENTENCEPIECE_SPACE = "▁"
SPECIAL_NAMES = "<unk>", "<s>", "</s>"
BYTE_NAMES = tuple(f"<0x{byte:02X}>" for byte in range(256))
RAW_BYTES = tuple(map(chr, range(256)))
FIRST_BYTE = 3
# Each part is changed by something that a Llama vocabulary does not do: NFKC, lower case, stripped or joined spaces.
PROBE = "  Full-width: \uff21\uff42, ligature: \ufb01, e\u0301\t\r\n NO  strip, 2024 \U0001f600; it's \u00bd of it.  "


class VocabularyError(ValueError):
    """A vocabulary that cannot be used; the message names the file and what is wrong with it."""


class Content(NamedTuple):
    """What a file holds, as it spells it. `control_ids` and a sample (a text, its ids) only where the file tells."""

    tokens: list[str]
    scores: list[float]
    control_ids: tuple[int, ...] = ()
    sample: tuple[str, tuple[int, ...]] = ("", ())


def from_json(content: bytes) -> Content:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise VocabularyError(f"holds a {type(document).__name__}, expected an object with 'tokens' and 'scores'")
    for key in ("tokens", "scores"):
        if not isinstance(document.get(key), list):
            raise VocabularyError(f"{key!r} is {'not a list' if key in document else 'missing'}, expected a list")
    return Content(document["tokens"], document["scores"])


def from_bin(content: bytes) -> Content:
    """int32 length of the longest token, then for each token: float32 score, int32 length, bytes; little-endian."""
    position = 0
    tokens: list[str] = []
    scores: list[float] = []
    longest_read = 0

    def take(size: int, what: str) -> bytes:
        nonlocal position
        if size > len(content) - position:
            left = len(content) - position
            raise VocabularyError(f"truncated: {what} at byte {position} needs {size} bytes, {left} are left")
        position += size
        return content[position - size : position]

    (longest,) = struct.unpack("<i", take(4, "the header"))
    while position < len(content):
        score, size = struct.unpack("<fi", take(8, f"score and length of token {len(tokens)}"))
        if not 0 < size <= longest:
            raise VocabularyError(f"token {len(tokens)} is {size} bytes long, expected 1 to {longest} (the header's)")
        try:
            tokens.append(take(size, f"token {len(tokens)}").decode())
        except UnicodeDecodeError as error:
            raise VocabularyError(f"token {len(tokens)} is not UTF-8: {error.object[:32]!r}") from error
        scores.append(score)
        longest_read = max(longest_read, size)
    if longest_read != longest:
        raise VocabularyError(
            f"the longest of {len(tokens)} tokens is {longest_read} bytes long, the header says {longest}; "
            "the file is truncated or not llama2.c's"
        )
    return Content(tokens, scores)


def from_model(content: bytes) -> Content:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise ImportError(
            "a .model file is read by the sentencepiece package: pip install kernelgate[tokenizer], "
            "or give the same vocabulary as .json or .bin"
        ) from error
    try:
        processor = SentencePieceProcessor(model_proto=content)
    except RuntimeError as error:
        raise VocabularyError(f"not a SentencePiece model: {error}") from error
    every = range(processor.vocab_size())
    if any(processor.is_unused(token_id) for token_id in every):
        raise VocabularyError("the model marks pieces as unused, which is not supported")
    tokens = [processor.id_to_piece(token_id) for token_id in every]
    special = processor.unk_id(), processor.bos_id(), processor.eos_id()
    # A model may give its special tokens other names.
    for token_id, name in zip(special, SPECIAL_NAMES, strict=True):
        if token_id >= 0:
            tokens[token_id] = name
    controls = tuple(token_id for token_id in every if processor.is_control(token_id))
    # The normaliser and the kinds of pieces are not in the tokens: another kind of model shows in what it answers.
    text = PROBE + "".join(tokens[:1024] + tokens[-1024:]).replace(SENTENCEPIECE_SPACE, " ")
    scores = [processor.get_score(token_id) for token_id in every]
    return Content(tokens, scores, controls, (text, tuple(processor.encode(text))))


def find_token(names: Sequence[str], name: str) -> int:
    # llama2.c writes the control tokens with line breaks around them.
    for spelling in (name, f"\n{name}\n"):
        if spelling in names:
            return names.index(spelling)
    raise VocabularyError(f"there is no token {name!r}; expected a vocabulary of the Llama 2 kind")


def find_bytes(names: Sequence[str]) -> tuple[int, ...]:
    known = set(names)
    missing = [name for name in BYTE_NAMES if name not in known]
    if not missing:
        return tuple(names.index(name) for name in BYTE_NAMES)
    after = FIRST_BYTE + len(RAW_BYTES)
    if tuple(names[FIRST_BYTE:after]) == RAW_BYTES:
        return tuple(range(FIRST_BYTE, after))
    raise VocabularyError(
        f"there is no byte token {missing[0]!r} ({len(missing)} of 256 are missing), nor do ids "
        f"{FIRST_BYTE} to {after - 1} hold the 256 raw characters; without them characters would be lost"
    )


def named(tokens: Sequence[str], byte_ids: Sequence[int], unk_id: int | None = None) -> list[str]:
    """A name of its own for each token, as SentencePiece spells it, where tokens that are no text are ''.

    By default the unknown token is the first that is neither text nor a byte.
    """
    bytes_of = dict(zip(map(int, byte_ids), BYTE_NAMES, strict=True))
    if unk_id is None:
        unk_id = next((i for i, token in enumerate(tokens) if not token and i not in bytes_of), -1)
    given: set[str] = set()
    names = []
    for token_id, token in enumerate(tokens):
        if token and token not in given:
            given.add(token)
            names.append(token.replace(" ", SENTENCEPIECE_SPACE))
        else:
            names.append(bytes_of.get(token_id, "<unk>" if token_id == unk_id else f"<control {token_id}>"))
    return names


def to_merges(tokens: Sequence[str], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Pairs of tokens, the first to be merged before the second: another way to say what scores say.

    Tokens are as in `named`. Where two pairs make one token, the one of the earlier tokens comes first.
    """
    ids: dict[str, int] = {}
    for token_id, token in enumerate(tokens):
        ids.setdefault(token, token_id)
    pairs = [
        (-float(scores[token_id]), token_id, ids[token[:at]], ids[token[at:]])
        for token, token_id in ids.items()
        for at in range(1, len(token))
        if token[:at] in ids and token[at:] in ids
    ]
    spelled = [token.replace(" ", SENTENCEPIECE_SPACE) for token in tokens]
    return [(spelled[left], spelled[right]) for _, _, left, right in sorted(pairs)]


def to_model(
    tokens: Sequence[str], scores: Sequence[float], byte_ids: Sequence[int], unk_id: int | None = None
) -> bytes:
    """A SentencePiece model of the Llama 2 kind, for tokens as in `named`: protobuf, as sentencepiece_model.proto."""
    names = named(tokens, byte_ids, unk_id)
    of_bytes = frozenset(map(int, byte_ids))
    pieces = []
    for token_id, (token, name, score) in enumerate(zip(tokens, names, scores, strict=True)):
        is_text = token and name == token.replace(" ", SENTENCEPIECE_SPACE)
        kind = 1 if is_text else 6 if token_id in of_bytes else 2 if name == "<unk>" else 3
        piece = _field(1, name.encode()) + b"\x15" + struct.pack("<f", score) + _field(3, kind)
        pieces.append(_field(1, piece))
    trainer = _field(3, 2) + _field(4, len(tokens)) + _field(35, 1)  # model_type BPE, vocab_size, byte_fallback
    # add_dummy_prefix, no remove_extra_whitespaces, escape_whitespaces
    normaliser = _field(1, b"identity") + _field(3, 1) + _field(4, 0) + _field(5, 1)
    return b"".join(pieces) + _field(2, trainer) + _field(3, normaliser)


def _field(number: int, value: int | bytes) -> bytes:
    """A field of a protobuf message: a whole number, or text or a message within."""
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first, the highest bit of all but the last set."""
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])

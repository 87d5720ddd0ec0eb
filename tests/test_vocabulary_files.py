"""The three vocabulary files: all answer as SentencePiece does; a damaged one is refused, by name."""

import functools
import io
import json
import struct
import sys
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from impls.vocabulary import Vocabulary, VocabularyError
from impls.vocabulary_files import BYTE_NAMES, SPECIAL_NAMES

LLAMA = Path(__file__).parents[2] / "shared" / "data"
TOKENS = [*SPECIAL_NAMES, *BYTE_NAMES, " ", "a", "b", " the longest one"]
SCORES = [0.0] * 261 + [-1.0, -2.0]
TEXTS = st.text() | st.text(alphabet="the fostrin\n\t0é<s>▁-") | st.sampled_from(sorted(topics.values()))
# sentencepiece up to 0.2.1 when imported, on Python 3.12 and later.
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .wig.* has no __module__ attribute:DeprecationWarning")


@functools.cache
def model_content(**options) -> bytes:
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    llama = {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity", "split_digits": True}
    llama |= {"remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True}
    sentencepiece.SentencePieceTrainer.train(
        **{"vocab_size": 600, "num_threads": 1, "minloglevel": 2} | llama | options,
        sentence_iterator=iter([*topics["strings"].splitlines(), *topics["formatstrings"].splitlines(), "<s>é</s>"]),
        model_writer=model,
    )
    return model.getvalue()


def json_content(tokens: list, scores: list) -> bytes:
    return json.dumps({"tokens": tokens, "scores": scores}).encode()


def bin_content(tokens: list[str], scores: list[float]) -> bytes:
    """What llama2.c's tokenizer.py writes."""
    spelled = [f"\n{token}\n" if token in ("<s>", "</s>") else token.replace("▁", " ") for token in tokens]
    contents = [token.encode() for token in spelled]
    body = b"".join(struct.pack("<fi", score, len(c)) + c for c, score in zip(contents, scores, strict=True))
    return struct.pack("<i", max(map(len, contents))) + body


@pytest.fixture(scope="module", params=["trained", "llama"])
def formats(request, tmp_path_factory) -> dict[str, Path]:
    """One vocabulary as .json (with raw characters for bytes, as llama3.np has them), .bin and .model."""
    sentencepiece = pytest.importorskip("sentencepiece")
    if request.param == "llama":
        if not LLAMA.is_dir():
            pytest.skip(f"the Llama 2 vocabulary is not on this machine: {LLAMA} is absent")
        names = {"json": "llama_vocabulary.json", "bin": "llama_tokenizer.bin", "model": "llama_tokenizer.model"}
        return {suffix: LLAMA / name for suffix, name in names.items()}
    folder = tmp_path_factory.mktemp("vocabulary")
    paths = {suffix: folder / f"small.{suffix}" for suffix in ("json", "bin", "model")}
    paths["model"].write_bytes(model_content())
    peer = sentencepiece.SentencePieceProcessor(model_file=str(paths["model"]))
    tokens = [peer.id_to_piece(token_id) for token_id in range(peer.vocab_size())]
    scores = [peer.get_score(token_id) for token_id in range(peer.vocab_size())]
    paths["bin"].write_bytes(bin_content(tokens, scores))
    raw = [*SPECIAL_NAMES, *map(chr, range(256)), *(token.replace("▁", " ") for token in tokens[259:])]
    paths["json"].write_bytes(json_content(raw, scores))
    return paths


@pytest.fixture(scope="module", params=["json", "bin", "model"])
def vocabulary(request, formats) -> Vocabulary:
    return Vocabulary.read(formats[request.param])


@pytest.fixture(scope="module")
def peer(formats):
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_file=str(formats["model"]))


@settings(deadline=None)
@given(TEXTS)
def test_ids_are_those_of_sentencepiece(vocabulary, peer, text):
    ids = vocabulary.encode(text, bos=False)
    assert ids == peer.encode(text)
    assert vocabulary.decode(ids) == text.replace("▁", " ")


@pytest.fixture
def encode(subject, formats):
    """An implementation's function of a text, on the vocabulary prepared once."""
    _, *weights = subject.prepared(("", *Vocabulary.read(formats["json"]).encoding))
    return lambda text: subject.module.tokenizer_encode(text, *weights)


@pytest.mark.subjects("tokenizer_encode", operation="kernel")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_ids_of_every_implementation_are_those_of_sentencepiece(subject, encode, peer, text):
    # The reference searches 32,000 tokens for each merge and pair of characters.
    text = text[: {"reference": 6, "numpy_dict": 60}.get(subject.implementation)]
    assert encode(text).tolist() == peer.encode(text)


@settings(deadline=None)
@given(st.lists(st.integers(0, 599) | st.integers(259, 599), max_size=20))
def test_decoded_text_is_that_of_sentencepiece(vocabulary, peer, ids):
    text = vocabulary.decode(ids)
    assume("\ufffd" not in text)  # the two differ in how many U+FFFD stand for an incomplete character
    assert text == peer.decode(ids)


def test_formats_hold_the_same_vocabulary(formats):
    one, *others = [Vocabulary.read(path) for path in formats.values()]
    for other in others:
        assert other.tokens == one.tokens
        np.testing.assert_array_equal(other.scores, one.scores, strict=True)
        assert (other.bos_id, other.eos_id, other.unk_id, other.byte_ids) == (1, 2, 0, tuple(range(3, 259)))


@pytest.mark.parametrize("formats", ["llama"], indirect=True)
def test_a_character_is_its_piece_and_not_the_raw_byte_before_it(formats):
    tokens = json.loads(formats["json"].read_bytes())["tokens"]
    assert len(tokens) - len(set(tokens)) == 204
    assert tokens.index("a") == 100
    vocabulary = Vocabulary.read(formats["json"])
    assert vocabulary.encode("\na") == [1, 29871, 13, 29874]
    assert vocabulary.encode("I have a dream") == [1, 306, 505, 263, 12561]


def changed(values: list, token_id: int, value: object) -> list:
    return [*values[:token_id], value, *values[token_id + 1 :]]


MALFORMED = {
    "empty.json": (b"", "the file is empty"),
    "empty.bin": (b"", "the file is empty"),
    "empty.model": (b"", "the file is empty"),
    "vocabulary.txt": (b"", "expected a name ending in .json, .bin or .model"),
    "no.json": (b'{"tokens": [', "not JSON: Expecting value"),
    "latin.json": (b'{"tokens": ["\xe9"]}', "not JSON: 'utf-8' codec can't decode"),
    "deep.json": (b"[" * 200_000, "not JSON: "),
    "list.json": (b"[]", "holds a list, expected an object with 'tokens' and 'scores'"),
    "no_tokens.json": (b'{"scores": []}', "'tokens' is missing, expected a list"),
    "no_scores.json": (b'{"tokens": []}', "'scores' is missing, expected a list"),
    "object.json": (b'{"tokens": {}, "scores": []}', "'tokens' is not a list, expected a list"),
    "no_entries.json": (json_content([], []), "there is no token '<unk>'"),
    "lengths.json": (json_content(TOKENS, SCORES[1:]), "263 tokens but 262 scores"),
    "number.json": (json_content(changed(TOKENS, 260, 7), SCORES), "token 260 is 7, expected a string"),
    "no_text.json": (json_content(changed(TOKENS, 260, ""), SCORES), "token 260 is '', expected a string that is not"),
    "surrogate.json": (
        json_content(changed(TOKENS, 260, "\ud800"), SCORES),
        r"a token holds a lone surrogate, '\ud800'",
    ),
    "null.json": (json_content(TOKENS, changed(SCORES, 9, None)), "the score of token 9 is None, expected a finite"),
    "bool.json": (json_content(TOKENS, changed(SCORES, 9, True)), "the score of token 9 is True, expected a finite"),
    "nan.json": (json_content(TOKENS, changed(SCORES, 9, float("nan"))), "the score of token 9 is nan, expected"),
    "large.json": (json_content(TOKENS, changed(SCORES, 9, 1e39)), "the score of token 9 is 1e+39, expected"),
    "huge.json": (json_content(TOKENS, changed(SCORES, 9, 10**400)), "the score of token 9 is 1000"),
    "no_bos.json": (json_content(changed(TOKENS, 1, "x"), SCORES), "there is no token '<s>'"),
    "no_space.json": (json_content(changed(TOKENS, 259, "x"), SCORES), "there is no token for a space"),
    "no_byte.json": (json_content(changed(TOKENS, 13, "x"), SCORES), "no byte token '<0x0A>' (1 of 256 are missing)"),
    "header.bin": (b"\x05\0\0", "truncated: the header at byte 0 needs 4 bytes, 3 are left"),
    "zeros.bin": (bytes(64), "token 0 is 0 bytes long, expected 1 to 0"),
    "negative.bin": (struct.pack("<ifi", 5, 0.0, -1), "token 0 is -1 bytes long, expected 1 to 5"),
    "latin.bin": (struct.pack("<ifi", 1, 0.0, 1) + b"\xe9", r"token 0 is not UTF-8: b'\xe9'"),
    "infinite.bin": (bin_content(TOKENS, changed(SCORES, 9, float("inf"))), "the score of token 9 is inf, expected"),
    "longest.bin": (b"\x20" + bin_content(TOKENS, SCORES)[1:], "is 16 bytes long, the header says 32"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_file_is_refused_by_name(tmp_path, name):
    content, message = MALFORMED[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VocabularyError) as caught:
        Vocabulary.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@given(st.integers(0, len(bin_content(TOKENS, SCORES)) - 1))
def test_truncated_bin_is_refused(tmp_path_factory, length):
    path = tmp_path_factory.getbasetemp() / "truncated.bin"
    path.write_bytes(bin_content(TOKENS, SCORES)[:length])
    with pytest.raises(
        VocabularyError, match=r"truncated\.bin: (truncated: |the file is empty|the longest of \d+ tokens)"
    ):
        Vocabulary.read(path)


@settings(deadline=None)
@given(st.data())
def test_damaged_bin_is_read_or_refused(tmp_path_factory, data):
    content = bytearray(bin_content(TOKENS, SCORES))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(content)
    try:
        vocabulary = Vocabulary.read(path)
    except VocabularyError as error:
        assert str(path) in str(error)
    else:
        assert vocabulary.decode(vocabulary.encode("a b<é")) == "a b<é"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_type": "unigram"}, "by other rules"),
        ({"normalization_rule_name": "nfkc"}, "by other rules"),
        ({"remove_extra_whitespaces": True}, "by other rules"),
        ({"add_dummy_prefix": False}, "by other rules"),
        ({"user_defined_symbols": "ringliter"}, "by other rules"),
        ({"byte_fallback": False}, "no byte token '<0x00>'"),
        ({"bos_id": -1}, "no token '<s>'"),
    ],
    ids=str,
)
def test_other_kind_of_model_is_refused(tmp_path, options, message):
    path = tmp_path / "other.model"
    path.write_bytes(model_content(**options))
    with pytest.raises(VocabularyError, match=rf"other\.model: .*{message}"):
        Vocabulary.read(path)


@pytest.mark.parametrize("part", [1, 5000, -1], ids=str)
def test_truncated_model_is_refused(tmp_path, part):
    path = tmp_path / "half.model"
    path.write_bytes(model_content()[:part])
    with pytest.raises(VocabularyError, match=r"half\.model: not a SentencePiece model"):
        Vocabulary.read(path)


def test_further_control_tokens_and_other_names_of_a_model(tmp_path):
    path = tmp_path / "pad.model"
    path.write_bytes(model_content(pad_id=3, bos_piece="<begin>", control_symbols="<call>"))
    vocabulary = Vocabulary.read(path)
    assert vocabulary.control_ids == {1, 2, 3, 4}
    assert vocabulary.decode(vocabulary.encode("<begin><call>\0")) == "<begin><call>\0"
    assert vocabulary.encode("\0", bos=False)[-1] == 5


def test_missing_sentencepiece_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    path = tmp_path / "some.model"
    path.write_bytes(b"\0")
    with pytest.raises(ImportError, match=r"some\.model: .*pip install kernelgate\[tokenizer\]"):
        Vocabulary.read(path)

"""The tokenizer: text survives it, merges follow the definition, control tokens are not found in text."""

import importlib
import itertools
import shutil
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import impls
from impls.vocabulary import Vocabulary, default_prompt, default_vocabulary
from impls.vocabulary_files import BYTE_NAMES, SPECIAL_NAMES

IMPLS = Path(impls.__file__).parent
PIECES = st.sampled_from([token for token in default_vocabulary().tokens if token not in (*SPECIAL_NAMES, *BYTE_NAMES)])
TEXTS = st.text() | st.text(alphabet="the ain\n\t0é▁<s>") | st.lists(PIECES, max_size=30).map("".join)


def small(*pieces: str) -> list[str]:
    """Tokens of a vocabulary whose pieces have the ids 260, 261, ..."""
    return [*SPECIAL_NAMES, *BYTE_NAMES, " ", *pieces]


@settings(deadline=None)
@given(TEXTS)
@example("")
@example("  two spaces lead")
@example("\0 ▁ \U0001f600\u200d \r\n<s></s><unk><0x0A>")
def test_text_survives_and_a_lower_one_eighth_block_is_a_space(text):
    vocabulary = default_vocabulary()
    ids = vocabulary.encode(text)
    assert ids[0] == vocabulary.bos_id
    assert vocabulary.decode(ids) == text.replace("▁", " ")
    assert vocabulary.encode(text, bos=False, eos=True) == [*ids[1:], vocabulary.eos_id]


def encode_slowly(text: str, tokens: list[str], scores: list[float]) -> list[int]:
    """The definition: join the best pair, the leftmost of equals, until there is none. For tokens as in `small`."""
    lookup = tokens[259:]
    symbols = list(" " + text.replace("▁", " ")) if text else []
    while pairs := [
        (-scores[259 + lookup.index(left + right)], at)
        for at, (left, right) in enumerate(itertools.pairwise(symbols))
        if left + right in lookup
    ]:
        _, at = min(pairs)
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
    known = [[259 + lookup.index(s)] if s in lookup else [3 + byte for byte in s.encode()] for s in symbols]
    return [token_id for ids in known for token_id in ids]


@pytest.mark.subjects("tokenizer_encode", operation="kernel", backends=("reference", "numpy", "numba"))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(
        st.tuples(st.text("ab <é", min_size=1, max_size=5), st.sampled_from([-2.0, -1.0, 0.0, 0.5])), max_size=20
    ),
    text=st.text("ab <éèc▁", max_size=60),
)
@example(pieces=[("aa", 0.0), ("aaa", 0.0)], text="aaaaa")
@example(pieces=[("aé", 0.0)], text="aèa")  # two characters that begin with the same byte
@example(pieces=[("aa", 0.0), ("aaaa", -1.0), ("aaa", 0.5)], text="a" * 55)
def test_merges_are_those_of_the_definition(subject, pieces, text):
    tokens = small(*(piece for piece, _ in pieces))
    scores = [0.0] * 260 + [score for _, score in pieces]
    vocabulary = Vocabulary.of(tokens, scores)
    ids = subject(text, *vocabulary.encoding).tolist()
    assert ids == encode_slowly(text, tokens, scores)
    assert vocabulary.decode(ids) == text.replace("▁", " ")


@settings(deadline=None, max_examples=30)
@given(TEXTS.map(lambda text: text[:60]))
def test_merges_of_the_shipped_vocabulary(text):
    vocabulary = default_vocabulary()
    tokens, scores = list(vocabulary.tokens), vocabulary.scores.tolist()
    assert vocabulary.encode(text, bos=False) == encode_slowly(text, tokens, scores)


def test_first_of_equal_tokens_wins():
    pieces = {"a": -9, "b": -9, "c": -9, "bc": -1, "ab": -2}
    vocabulary = Vocabulary.of(small(*pieces, "ab", "a"), [0] * 260 + [*pieces.values(), 0, 0])
    # With the second score of 'ab', 0, it would be joined before 'bc'.
    assert vocabulary.encode("abc", bos=False) == [259, 260, 263]
    assert vocabulary.decode([259, 260, 263]) == vocabulary.decode([259, 266, 263]) == "abc"


@pytest.mark.parametrize("text", ["<s>", "</s>", "<unk>", "<0x0A>", "\n<s>\n"])
def test_control_tokens_are_not_found_in_text(text):
    characters = "<s>/unk0xA\n"
    # All beginnings of the text are pieces, so that only the rule keeps the last merge from happening.
    parts = [text[:length] for length in range(2, len(text))]
    vocabulary = Vocabulary.of(small(*characters, *parts), [0.0] * (260 + len(characters) + len(parts)))
    ids = vocabulary.encode(text, bos=False)
    assert min(ids) >= 259
    assert vocabulary.decode(ids) == text


def test_a_character_without_a_piece_becomes_its_bytes():
    vocabulary = default_vocabulary()
    names = [vocabulary.tokens[token_id] for token_id in vocabulary.encode("\U0001f600▁\0", bos=False)]
    assert names == [" ", *(f"<0x{byte:02X}>" for byte in b"\xf0\x9f\x98\x80"), " ", "<0x00>"]


def test_special_tokens_are_found_by_name():
    vocabulary = Vocabulary.of(["</s>", "<pad>", "<s>", *BYTE_NAMES, "<unk>", "▁"], [0.0] * 261, control_ids=[1])
    assert vocabulary.encode("\0", eos=True) == [2, 260, 3, 0]
    assert vocabulary.decode([2, 1, 260, 3, 1, 259, 0]) == "\0 \u2047 "


def test_bytes_that_are_no_text_are_marked():
    vocabulary = default_vocabulary()
    assert vocabulary.decode([vocabulary.byte_ids[0xC3]]) == "\ufffd"
    assert vocabulary.decode([vocabulary.byte_ids[0xC3], vocabulary.byte_ids[0xA9]]) == "é"


@pytest.mark.parametrize("token_id", [-1, 2048, 10**30])
def test_unknown_id_is_refused(token_id):
    with pytest.raises(ValueError, match=rf"ids: {token_id} is not a token.*vocab_size = 2048"):
        default_vocabulary().decode([5, np.int32(7), token_id])


def test_lone_surrogate_is_refused():
    with pytest.raises(ValueError, match=r"text: character 2 is the lone surrogate U\+D800"):
        default_vocabulary().encode("ab\ud800")


def test_long_text_is_encoded():
    # An implementation that looks at all pairs for each merge would need hours.
    text = "ab" * 20_000 + " " * 30_000 + "".join(topics.values())[:30_000]
    assert default_vocabulary().decode(default_vocabulary().encode(text)) == text


def test_vocabulary_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        default_vocabulary().bos_id = 5
    with pytest.raises(ValueError, match="read-only"):
        default_vocabulary().scores[0] = 1


def test_shipped_files():
    vocabulary = default_vocabulary()
    assert vocabulary.vocab_size == len(set(vocabulary.tokens)) == 2048
    assert vocabulary.scores.dtype == np.float32
    assert 40 <= len(vocabulary.encode(default_prompt())) <= 60
    content = (IMPLS / "data" / "vocabulary.json").read_bytes()
    assert len(content) < 100_000
    assert b"\\u2581" not in content
    assert b'"<0x00>"' in content


def test_package_under_another_name_reads_its_own_files(tmp_path, monkeypatch):
    package = tmp_path / "impls_elsewhere"
    for folder in ("data", "tokenizer_encode", "tokenizer_decode"):
        shutil.copytree(IMPLS / folder, package / folder)
    for name in ("__init__.py", "vocabulary.py", "vocabulary_files.py"):
        shutil.copy(IMPLS / name, package)
    (package / "data" / "prompt.txt").write_text("It was another story.\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        elsewhere = importlib.import_module("impls_elsewhere.vocabulary")
        assert elsewhere.default_prompt() == "It was another story."
        assert elsewhere.default_vocabulary().tokens == default_vocabulary().tokens
    finally:
        for name in [name for name in sys.modules if name.startswith("impls_elsewhere")]:
            del sys.modules[name]


# sentencepiece up to 0.2.1 when imported, on Python 3.12 and later.
@pytest.mark.filterwarnings("ignore:builtin type .wig.* has no __module__ attribute:DeprecationWarning")
def test_training_is_repeatable(tmp_path):
    pytest.importorskip("sentencepiece")
    from impls.data.train_vocabulary import train, write

    contents = [train(iter(topics["strings"].splitlines()), vocab_size=400) for _ in range(2)]
    assert contents[0] == contents[1]
    path = tmp_path / "vocabulary.json"
    path.write_bytes(b"an older one")
    write(path, contents[0])
    assert [file.name for file in tmp_path.iterdir()] == ["vocabulary.json"]
    assert Vocabulary.read(path).vocab_size == 400

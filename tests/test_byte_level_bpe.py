"""Byte-level BPE: every text has tokens that give it back, merged as the files say; faults in them are named."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impls.byte_level_bpe import END_OF_TEXT, MERGES, VOCABULARY, ByteLevelBPE
from impls.vocabulary import default_prompt
from impls.vocabulary_files import VocabularyError

tokenizers = pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A directory with a small vocabulary of its own."""
    path = tmp_path_factory.mktemp("bpe")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320, special_tokens=[END_OF_TEXT], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([default_prompt() * 3, "the cat and the dog"], trainer)
    tokenizer.model.save(str(path))
    return path


@pytest.fixture(scope="module")
def bpe(trained):
    return ByteLevelBPE.read(trained)


@given(text=st.text())
def test_tokens_give_the_text_back(bpe, text):
    ids = bpe.encode(text)
    assert bpe.decode(ids) == text
    assert all(0 <= token_id < bpe.vocab_size for token_id in ids)


def test_words_are_merged(bpe):
    assert len(bpe.encode(default_prompt())) < len(default_prompt()) / 2


def test_no_text_is_a_control_token(bpe):
    assert bpe.eos_id not in bpe.encode(END_OF_TEXT)
    assert bpe.decode([bpe.eos_id]) == END_OF_TEXT


def test_bytes_that_are_no_text_are_marked(bpe):
    assert bpe.decode(bpe.encode("é")[:1]) == "\ufffd"


def test_what_is_no_text_or_token_is_named(bpe):
    with pytest.raises(ValueError, match=r"character 1 is the lone surrogate U\+D800"):
        bpe.encode("a\ud800")
    for wrong in (-1, bpe.vocab_size):
        with pytest.raises(ValueError, match=rf"{wrong} is not a token"):
            bpe.decode([wrong])


FAULTS = {
    "no json": (VOCABULARY, lambda text: text[:-1], "not JSON"),
    "a list": (VOCABULARY, lambda text: "[]", "expected an object with an id"),
    "a gap": (VOCABULARY, lambda text: json.dumps({**json.loads(text), "a": 999}), "are not 0 to 319, each once"),
    "no end": (VOCABULARY, lambda text: text.replace("endoftext", "end"), "there is no token '<|endoftext|>'"),
    "no byte": (VOCABULARY, lambda text: text.replace('"!"', '"!!"'), "there is no token '!'"),
    "three": (MERGES, lambda text: f"{text}\na b c\n", "is 'a b c', expected two tokens"),
    "no such token": (MERGES, lambda text: f"{text}\nqz qz\n", "is 'qz qz', expected two tokens that make a third"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_file_is_named(tmp_path, trained, fault):
    spoilt, spoil, words = FAULTS[fault]
    for file in (VOCABULARY, MERGES):
        text = (trained / file).read_text(encoding="utf-8")
        (tmp_path / file).write_text(spoil(text) if file == spoilt else text, encoding="utf-8")
    with pytest.raises(VocabularyError) as error:
        ByteLevelBPE.read(tmp_path)
    assert words in str(error.value)
    assert spoilt in str(error.value)


def test_the_package_is_asked_for_by_its_extra(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"kernelgate\[tokenizer\]"):
        ByteLevelBPE.read(trained)

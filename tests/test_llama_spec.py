"""The cases of Llama: real weights and words in place of random ones, contexts that fit, and the least a step costs."""

import json
import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from checkpoint_writers import CONFIGS, draw, write_bin

import impls
from impls.config import LlamaConfig
from impls.llama import spec
from impls.vocabulary import Vocabulary, default_prompt, default_vocabulary

CONFIG = LlamaConfig(16, 2, 4, 2, 4, 12, 2048, 32, tied=True)


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """Takes back what `use_checkpoint` changes."""
    monkeypatch.setattr(spec, "OPERATIONS", dict(spec.OPERATIONS))
    monkeypatch.setattr(spec.FAMILY, "models", dict(spec.FAMILY.models))
    monkeypatch.setattr(spec.FAMILY, "weights", {})
    monkeypatch.setattr(spec.FAMILY, "vocabulary", None)


def inputs(operation, case, dtype=np.float32):
    kernel = spec.OPERATIONS[operation]
    return kernel.inputs(np.random.default_rng(0), dtype, **kernel.cases[case])


def test_a_checkpoint_takes_the_place_of_random_weights(tmp_path):
    params = draw(CONFIG)
    spec.use_checkpoint(write_bin(tmp_path / "trained.bin", params, CONFIG), None)
    for operation, cases in (("prefill", ["64", "256"]), ("decode", ["b1", "b32"]), ("generate", ["b1"])):
        kernel = spec.OPERATIONS[operation]
        assert list(kernel.cases) == [f"trained-{case}" for case in cases]
        assert not kernel.heavy
        for case in kernel.cases:
            tokens, used, config, *_ = inputs(operation, case, ml_dtypes.bfloat16)
            assert config.dim == CONFIG.dim
            assert tokens.max() < CONFIG.vocab_size
            for name, array in params.items():
                assert (used[name] == array.astype(ml_dtypes.bfloat16)).all()


def test_text_is_encoded_with_the_tokenizer_given(tmp_path):
    content = json.loads((Path(impls.__file__).parent / "data" / "vocabulary.json").read_text())
    smaller = tmp_path / "smaller.json"
    kept = [index for index, token in enumerate(content["tokens"]) if index < 259 or len(token) <= 2]
    smaller.write_text(json.dumps({key: [values[index] for index in kept] for key, values in content.items()}))
    before = inputs("generate", "stories15M-b1")[0]
    spec.use_checkpoint(None, smaller)
    tokens = inputs("generate", "stories15M-b1")[0]
    assert tokens.tolist() == [Vocabulary.read(smaller).encode(default_prompt())]
    assert before.tolist() == [default_vocabulary().encode(default_prompt())]
    assert tokens.shape != before.shape


def test_a_vocabulary_larger_than_the_model_is_refused(tmp_path):
    path = write_bin(tmp_path / "small.bin", draw(CONFIGS["multi"]), CONFIGS["multi"])
    with pytest.raises(ValueError, match=r"the default vocabulary has 2048 tokens, expected at most 11, .*small\.bin"):
        spec.use_checkpoint(path, None)
    assert list(spec.OPERATIONS["prefill"].cases) == ["stories15M-64", "stories15M-256"]


def test_a_context_is_stretched_to_its_case_and_cut_where_it_is_long():
    tokens, _, config, count = inputs("generate", "stories15M-b1")
    assert (count, config.context) == (256, tokens.shape[1] + 256)
    assert inputs("decode", "stories15M-b1")[2].context == 256
    assert spec.FAMILY.model_of("llama-3.2-1B", 129).context == 1024
    assert spec.FAMILY.model_of("llama-3.2-1B", 2000).context == 2000


def weights_of(config):
    return sum(math.prod(shape) for shape in config.parameter_shapes().values())


def test_bytes_are_every_weight_once_and_what_the_cache_gains():
    tied, untied = spec.TINY["tiny"], spec.TINY["tiny grouped"]
    cache = 2 * 2 * 4 * 12  # layers, keys and values, heads, head_dim
    assert spec.FAMILY.decode_work(2, "tiny", 3, 5).bytes == 2 * (weights_of(tied) + 3 * (6 * cache + 64 + 61))
    # An embedding that is not the head as well is only looked up.
    cache = 2 * 2 * 2 * 10
    assert spec.FAMILY.prefill_work(4, "tiny grouped", 1, 7).bytes == 4 * (
        weights_of(untied) - 71 * 72 + 7 * cache + 7 * 72 + 71
    )


def test_flops_are_two_a_weight_and_token_and_attention_over_what_is_seen():
    config = spec.TINY["tiny grouped"]
    matrices = 2 * sum(math.prod(s) for name, s in config.parameter_shapes().items() if "_proj" in name)
    head = 2 * 72 * 71
    small = 2 * (8 * 72 + 3 * (6 + 2) * 10)
    seen = 2 * 6 * (4 * 10 + 4)
    assert spec.FAMILY.decode_work(4, "tiny grouped", 1, 5).flops == matrices + head + small + 4 * 72 + 6 * seen
    assert spec.FAMILY.prefill_work(4, "tiny grouped", 1, 3).flops == 3 * (matrices + small) + head + 4 * 72 + 6 * seen


def test_generating_is_a_prefill_and_a_decoded_step_for_each_token_but_the_first():
    parts = [
        spec.FAMILY.prefill_work(4, "tiny", 2, 5),
        *(spec.FAMILY.decode_work(4, "tiny", 2, position) for position in (5, 6, 7)),
    ]
    whole = spec.FAMILY.generate_work(4, "tiny", 2, 5, 4)
    assert whole.flops == sum(part.flops for part in parts)
    assert whole.bytes == sum(part.bytes for part in parts)

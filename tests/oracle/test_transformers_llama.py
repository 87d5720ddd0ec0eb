"""The llama implementations against transformers: what LlamaForCausalLM saves, read back, gives its logits."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from impls.checkpoints import read
from impls.generation import generate
from kernelgate.kernel import BACKENDS

# Those of float32: what a quantised one computes is held against its own rounded weights, elsewhere.
OURS = [name for name, backend in BACKENDS.items() if not backend.library and name != "reference"]
STEPS = 64
PROMPT = 7
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 61,
    "max_position_embeddings": PROMPT + STEPS + 3,
    "rms_norm_eps": 1e-5,
    # At the usual 0.02 such a small model attends to everything alike, and its logits say little of the positions.
    "initializer_range": 0.3,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
CASES = {
    "multi": {},
    "multi-tied": {"tie_word_embeddings": True},
    "grouped": {"num_key_value_heads": 2, "rms_norm_eps": 1e-2},
    "grouped-tied": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "head_dim": {"num_key_value_heads": 2, "head_dim": 12},
    "theta": {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}},
    "llama3": {"num_key_value_heads": 2, "rope_parameters": LLAMA3},
}
# For every implementation, many of which compile anew for each; the references are held against all.
FEW = ("grouped-tied", "head_dim", "llama3")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """More would wait for each other longer than such small products take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=CASES)
def original(request):
    torch.manual_seed(sum(request.param.encode()))
    model = LlamaForCausalLM(LlamaConfig(**SIZES | CASES[request.param])).eval()
    with torch.no_grad():
        # Drawn as ones: a gain that is left out, or taken from another layer, would not show.
        for name, weight in model.named_parameters():
            if name.endswith("norm.weight"):
                weight.uniform_(0.5, 1.5)
    return model


@pytest.fixture(scope="module")
def saved(original, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole")
    original.save_pretrained(path)
    return path


@pytest.fixture(scope="module", params=[1, 3], ids=["b1", "b3"])
def batch(request):
    return request.param


@pytest.fixture(scope="module")
def said(original, batch):
    """The prompt, the tokens that transformers picks behind it, and the logits that it picks them from."""
    prompt = torch.randint(SIZES["vocab_size"], (batch, PROMPT), generator=torch.Generator().manual_seed(batch))
    with torch.no_grad():
        out = original.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=STEPS + 1,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
    tokens, logits = out.sequences[:, PROMPT:].numpy(), torch.stack(out.logits).numpy()
    assert tokens.shape == (batch, STEPS + 1)
    return prompt.numpy(), tokens, logits


def assert_close(found, expected):
    found = np.asarray(found)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def check_logits_and_tokens(subject, saved, said):
    prompt, tokens, expected = said
    params, config = read(saved)
    model = subject.module.load(subject.place((params,))[0], config)
    logits, cache = model.prefill(prompt)
    assert_close(logits, expected[0])
    for step in range(STEPS):
        np.testing.assert_array_equal(np.asarray(logits).argmax(axis=-1), tokens[:, step])
        logits, cache = model.decode(tokens[:, step], cache)
        assert_close(logits, expected[step + 1])
    return model


@pytest.mark.subjects("llama", operation="generate", backends=("reference",))
def test_logits_and_tokens_of_the_references(subject, saved, said):
    model = check_logits_and_tokens(subject, saved, said)
    np.testing.assert_array_equal(generate(model, said[0], STEPS + 1), said[1])


@pytest.mark.parametrize("original", FEW, indirect=True)
@pytest.mark.parametrize("batch", [3], indirect=True)
@pytest.mark.subjects("llama", operation="generate", backends=OURS)
def test_logits_and_tokens_of_all_others(subject, saved, said):
    check_logits_and_tokens(subject, saved, said)


def test_sizes_arrive(original, saved):
    config, keys = read(saved)[1], original.config
    assert (config.dim, config.layers, config.heads) == (keys.hidden_size, 2, 4)
    assert (config.kv_heads, config.head_dim) == (keys.num_key_value_heads, keys.head_dim)
    assert (config.ffn_dim, config.vocab_size) == (keys.intermediate_size, keys.vocab_size)
    assert (config.context, config.norm_eps) == (keys.max_position_embeddings, keys.rms_norm_eps)
    assert config.tied == keys.tie_word_embeddings
    assert config.rope_theta == keys.rope_parameters["rope_theta"]
    assert (config.rope_scaling is not None) == (keys.rope_parameters["rope_type"] == "llama3")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=["f32", "bf16", "f16"])
@pytest.mark.parametrize("shards", ["5GB", "20KB"], ids=["whole", "shards"])
def test_weights_arrive_bit_for_bit(original, tmp_path, dtype, shards):
    model = LlamaForCausalLM(original.config).to(dtype)
    model.load_state_dict(original.state_dict())
    model.save_pretrained(tmp_path, max_shard_size=shards)
    assert (tmp_path / "model.safetensors.index.json").exists() == (shards == "20KB")
    params, _ = read(tmp_path)
    weights = dict(model.named_parameters())
    assert params.keys() == weights.keys()
    for name, weight in weights.items():
        assert params[name].dtype.name == {torch.bfloat16: "bfloat16"}.get(dtype, "float32")
        np.testing.assert_array_equal(params[name].astype(np.float32), weight.detach().float().numpy(), err_msg=name)


def test_npz_of_the_same_weights(original, saved, tmp_path):
    """Saved by NumPy from transformers' weights, which are half-split, beside transformers' config.json."""
    np.savez(tmp_path / "model.npz", **{name: tensor.numpy() for name, tensor in original.state_dict().items()})
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    params, config = read(tmp_path / "model.npz", rope="half_split")
    expected, same = read(saved)
    assert config == same
    assert params.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(params[name], expected[name], err_msg=name)

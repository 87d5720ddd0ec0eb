"""What is written as GGUF is what its own reader finds: names, sizes, and values to the step of the format."""

import gguf
import ml_dtypes
import numpy as np
import pytest

from impls import gguf_files
from impls.config import LlamaConfig, RopeScaling, random_parameters
from impls.gguf_files.llama import interleaved
from impls.gpt2_config import GPT2Config

LLAMA = LlamaConfig(64, 2, 4, 2, 16, 96, 61, 16, 1e-6, 1000.0, RopeScaling(8.0, 1.0, 4.0, 24))
GPT2 = GPT2Config(64, 2, 4, 61, 16)
CONFIGS = {"llama": LLAMA, "gpt2": GPT2}
# Half a step of the largest of 32 weights, and the rounding of the scale to float16.
STEPS = {"f32": 0.0, "bf16": 0.0, "int8": 0.5 / 127 + 2**-10, "int4": 1 / 8 + 2**-10}
HELD_AS = {"f32": "F32", "bf16": "BF16", "int8": "Q8_0", "int4": "Q4_0"}
models = pytest.mark.parametrize("family", CONFIGS)
formats = pytest.mark.parametrize("weights", STEPS)


def draw(config, weights="f32"):
    dtype = ml_dtypes.bfloat16 if weights == "bf16" else np.float32
    return random_parameters(config, np.random.default_rng(7), dtype)


def tensors_in(path):
    """Each tensor of a file in float32, and the name of its type."""
    return {
        tensor.name: (gguf.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1]), tensor.tensor_type)
        for tensor in gguf.GGUFReader(path).tensors
    }


def expected_in(params, config):
    """What each tensor of the file is made of, by llama.cpp's names."""
    array = {name: value.astype(np.float32) for name, value in params.items()}
    if isinstance(config, GPT2Config):
        return {
            "token_embd.weight": array["wte.weight"],
            "position_embd.weight": array["wpe.weight"],
            "blk.1.attn_qkv.weight": array["h.1.attn.c_attn.weight"].T,
            "blk.1.attn_qkv.bias": array["h.1.attn.c_attn.bias"],
            "blk.0.ffn_down.weight": array["h.0.mlp.c_proj.weight"].T,
            "blk.0.ffn_norm.bias": array["h.0.ln_2.bias"],
            "output_norm.weight": array["ln_f.weight"],
        }
    return {
        "token_embd.weight": array["model.embed_tokens.weight"],
        "blk.1.attn_q.weight": interleaved(array["model.layers.1.self_attn.q_proj.weight"], config.head_dim),
        "blk.1.attn_v.weight": array["model.layers.1.self_attn.v_proj.weight"],
        "blk.0.ffn_down.weight": array["model.layers.0.mlp.down_proj.weight"],
        "blk.0.ffn_norm.weight": array["model.layers.0.post_attention_layernorm.weight"],
        "output.weight": array["lm_head.weight"],
    }


@models
@formats
def test_what_is_read_is_what_was_written(tmp_path, family, weights):
    config = CONFIGS[family]
    params = draw(config, weights)
    gguf_files.write(tmp_path / "model.gguf", params, config, weights)
    found = tensors_in(tmp_path / "model.gguf")
    extra = 1 if family == "llama" else 0  # the factors of RoPE
    assert len(found) == len(params) + extra
    for name, wanted in expected_in(params, config).items():
        array, kind = found[name]
        assert array.shape == wanted.shape
        plain = wanted.ndim == 1 or name.startswith("position")
        assert kind.name == ("F32" if plain else HELD_AS[weights])
        allowed = 0.0
        if not plain:
            groups = np.abs(wanted).reshape(-1, 32).max(axis=1, keepdims=True)
            allowed = STEPS[weights] * np.broadcast_to(groups, (groups.size, 32)).reshape(wanted.shape)
        assert (np.abs(array - wanted) <= allowed).all(), name


@models
@formats
def test_rounded_parameters_are_those_of_the_file(tmp_path, family, weights):
    config = CONFIGS[family]
    params = draw(config, weights)
    gguf_files.write(tmp_path / "model.gguf", params, config, weights)
    held = gguf_files.rounded(params, config, weights)
    assert {name: (a.shape, a.dtype) for name, a in held.items()} == {
        name: (a.shape, a.dtype) for name, a in params.items()
    }
    found = tensors_in(tmp_path / "model.gguf")
    for name, wanted in expected_in(held, config).items():
        np.testing.assert_array_equal(found[name][0], wanted, err_msg=name)


def test_rows_that_no_group_divides_stay_in_float32(tmp_path):
    config = LlamaConfig(64, 1, 2, 2, 24, 80, 61, 16)
    params = draw(config)
    gguf_files.write(tmp_path / "model.gguf", params, config, "int4")
    found = tensors_in(tmp_path / "model.gguf")
    kinds = {name: found[f"blk.0.{name}.weight"][1].name for name in ("attn_q", "attn_output", "ffn_up", "ffn_down")}
    assert kinds == {"attn_q": "Q4_0", "attn_output": "F32", "ffn_up": "Q4_0", "ffn_down": "F32"}
    held = gguf_files.rounded(params, config, "int4")
    changed = {name for name in params if not np.array_equal(held[name], params[name])}
    assert "model.layers.0.mlp.up_proj.weight" in changed
    assert not changed & {"model.layers.0.mlp.down_proj.weight", "model.norm.weight"}


def test_interleaving_puts_the_two_of_a_pair_side_by_side():
    rows = np.arange(12)[:, None]  # two heads of 6
    assert interleaved(rows, 6)[:, 0].tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


@models
def test_mistakes_are_named_and_leave_no_file(tmp_path, family):
    config, params = CONFIGS[family], draw(CONFIGS[family])
    name = next(iter(params))
    for wrong, weights, message in (
        ({key: value for key, value in params.items() if key != name}, "int8", f"params lacks {name}"),
        (params | {name: params[name].T}, "f32", f"params: {name} has shape"),
        (params, "bf16", "params are float32, expected all to be bfloat16"),
        (draw(config, "bf16"), "int4", "params are bfloat16, expected all to be float32"),
        (params, "q6", "weights is 'q6', expected one of f32, bf16, int8, int4"),
    ):
        with pytest.raises(ValueError, match=message):
            gguf_files.write(tmp_path / "model.gguf", wrong, config, weights)
        with pytest.raises(ValueError, match=message):
            gguf_files.rounded(wrong, config, weights)
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    gguf_files.write(path, draw(GPT2), GPT2, "f32")
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensor_data", full)
    with pytest.raises(OSError, match="no space left"):
        gguf_files.write(path, draw(LLAMA), LLAMA, "int8")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]

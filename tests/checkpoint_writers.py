"""Small checkpoints in the three formats, written from their descriptions and not from the readers."""

import json
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from impls.config import LlamaConfig, random_parameters

MULTI = LlamaConfig(16, 2, 4, 4, 4, 12, 11, 8)
GROUPED = replace(MULTI, kv_heads=2)
CONFIGS = {
    "multi": MULTI,
    "multi-tied": replace(MULTI, tied=True),
    "grouped": GROUPED,
    "grouped-tied": replace(GROUPED, tied=True),
}


def draw(config, dtype=np.float32):
    return random_parameters(config, np.random.default_rng(0), dtype)


def interleaved(params, config):
    """The same weights with row i of each half of a head of q_proj and k_proj at 2i and 2i + 1."""
    result, half = dict(params), config.head_dim // 2
    for name in params:
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            rows = params[name]
            order = [
                head + i + side * half for head in range(0, len(rows), 2 * half) for i in range(half) for side in (0, 1)
            ]
            result[name] = rows[order]
    return result


def config_keys(config):
    """config.json as transformers 4 writes it."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "hidden_size": config.dim,
        "intermediate_size": config.ffn_dim,
        "max_position_embeddings": config.context,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        "rms_norm_eps": config.norm_eps,
        "rope_scaling": None,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": config.tied,
        "vocab_size": config.vocab_size,
    }


def write_npz(path, params, config):
    np.savez(path, **interleaved(params, config))
    return path


def write_directory(path, params, config, shards=1):
    numpy = pytest.importorskip("safetensors.numpy")
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config_keys(config)))
    if shards == 1:
        numpy.save_file(params, path / "model.safetensors")
        return path
    weight_map = {name: f"model-{1 + i % shards:05}-of-{shards:05}.safetensors" for i, name in enumerate(params)}
    for file in set(weight_map.values()):
        numpy.save_file({name: params[name] for name in params if weight_map[name] == file}, path / file)
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


def bin_content(params, config, version):
    """What llama2.c's export.py writes (version 0: the legacy format), with 7 in the RoPE tables: nobody reads them."""
    sizes = [config.dim, config.ffn_dim, config.layers, config.heads, config.kv_heads]
    stored = interleaved(params, config)

    def layers(matrix):
        return [stored[f"model.layers.{layer}.{matrix}.weight"] for layer in range(config.layers)]

    embedding, norm = [stored["model.embed_tokens.weight"]], [stored["model.norm.weight"]]
    before, after = layers("input_layernorm"), layers("post_attention_layernorm")
    attention = [w for m in "qkvo" for w in layers(f"self_attn.{m}_proj")]
    ffn = [weight for m in ("gate", "down", "up") for weight in layers(f"mlp.{m}_proj")]
    head = [] if config.tied else [stored["lm_head.weight"]]
    if version == 0:
        flagged = config.vocab_size if config.tied else -config.vocab_size
        header = struct.pack("<7i", *sizes, flagged, config.context)
        tables = [np.full((config.context, config.head_dim), 7)]
        tensors = [*embedding, *before, *attention, *after, *ffn, *norm, *tables, *head]
    else:
        header = struct.pack("<Ii7iB", 0x616B3432, version, *sizes, config.vocab_size, config.context, config.tied)
        header = header.ljust(256, b"\0")
        tensors = [*before, *after, *norm, *embedding, *attention, *ffn, *head]
    return header + b"".join(tensor.astype("<f4").tobytes() for tensor in tensors)


def write_bin(path, params, config, version=0):
    path.write_bytes(bin_content(params, config, version))
    return path


def write_members(path, members, method=zipfile.ZIP_STORED):
    """A `.npz` of members as they are, with the right checksums."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def assert_same(read, written):
    assert read.keys() == written.keys()
    for name, expected in written.items():
        assert read[name].dtype == expected.dtype, name
        assert read[name].dtype.isnative
        np.testing.assert_array_equal(read[name], expected, err_msg=name, strict=True)

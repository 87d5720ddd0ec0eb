"""Models of transformers, of our configurations and with our parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import torch
import transformers

from ..checks import check_parameters
from ..config import LlamaConfig
from ..gpt2_config import GPT2Config

transformers.utils.logging.disable_progress_bar()
_NO_SPECIAL_TOKENS: Mapping[str, None] = {"bos_token_id": None, "eos_token_id": None}


def network(params: Mapping[str, np.ndarray], config: LlamaConfig | GPT2Config) -> Any:
    """The library's model, which shares the parameters, float32 or bfloat16. ValueError if any does not fit."""
    dtype = check_parameters(params, config, ("float32", "bfloat16"))
    kind, prefix, sizes = _LIBRARY[type(config)]
    return kind.from_pretrained(
        None,
        config=sizes(config),
        state_dict={prefix + name: _tensor(array) for name, array in params.items()},
        dtype=getattr(torch, dtype),
    ).eval()


def _llama_config(config: LlamaConfig) -> Any:
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": config.rope_theta}
    longest = config.context
    if scaling := config.rope_scaling:
        rope |= {
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_freq_factor,
            "high_freq_factor": scaling.high_freq_factor,
            "original_max_position_embeddings": scaling.original_context,
        }
        # What is rescaled is meant to be longer than it was; it is no more than a name for the table's size.
        longest = max(longest, scaling.original_context + 1)
    return transformers.LlamaConfig(
        hidden_size=config.dim,
        intermediate_size=config.ffn_dim,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim,
        vocab_size=config.vocab_size,
        max_position_embeddings=longest,
        rms_norm_eps=config.norm_eps,
        tie_word_embeddings=config.tied,
        rope_parameters=rope,
        **_NO_SPECIAL_TOKENS,
    )


def _gpt2_config(config: GPT2Config) -> Any:
    return transformers.GPT2Config(
        n_embd=config.dim,
        n_layer=config.layers,
        n_head=config.heads,
        vocab_size=config.vocab_size,
        n_positions=config.context,
        layer_norm_epsilon=config.norm_eps,
        **_NO_SPECIAL_TOKENS,
    )


_LIBRARY: Mapping[type, Any] = {
    LlamaConfig: (transformers.LlamaForCausalLM, "", _llama_config),
    GPT2Config: (transformers.GPT2LMHeadModel, "transformer.", _gpt2_config),
}


def _tensor(array: np.ndarray) -> torch.Tensor:
    array = np.ascontiguousarray(array)
    # NumPy's bfloat16 is ml_dtypes's, which PyTorch does not know; the bits are the same.
    if array.dtype == ml_dtypes.bfloat16:
        return _tensor(array.view(np.int16)).view(torch.bfloat16)
    # PyTorch warns of memory that may not be written to.
    return torch.from_numpy(array if array.flags.writeable else array.copy())

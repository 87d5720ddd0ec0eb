"""The gpt2 implementations against transformers: what GPT2LMHeadModel saves, read back, gives its logits."""

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from impls.checkpoints import read
from impls.gpt2_config import GPT2Config as Sizes
from kernelgate.kernel import BACKENDS

OURS = [name for name, backend in BACKENDS.items() if not backend.library]
STEPS, PROMPT = 64, 7
SIZES = Sizes(dim=32, layers=2, heads=4, vocab_size=61, context=PROMPT + STEPS)


@pytest.fixture(scope="module")
def original():
    torch.manual_seed(3)
    config = GPT2Config(
        n_embd=SIZES.dim,
        n_layer=SIZES.layers,
        n_head=SIZES.heads,
        vocab_size=SIZES.vocab_size,
        n_positions=SIZES.context,
        # At the usual 0.02 such a small model attends to everything alike.
        initializer_range=0.3,
    )
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        # Drawn as ones and zeros: a gain or bias that is left out would not show.
        for name, weight in model.named_parameters():
            if weight.ndim == 1:
                weight.uniform_(-0.5, 0.5).add_(name.endswith("weight"))
    return model


@pytest.fixture(scope="module")
def saved(original, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole")
    original.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def said(original):
    """A text, and the logits after each of its tokens."""
    text = np.random.default_rng(3).integers(0, SIZES.vocab_size, (3, PROMPT + STEPS))
    with torch.no_grad():
        return text, original(torch.from_numpy(text)).logits.numpy()


@pytest.mark.subjects("gpt2", operation="generate", backends=OURS)
def test_logits_of_prefill_and_of_each_decoded_step(subject, saved, said):
    text, expected = said
    params, config = read(saved)
    assert config == SIZES
    model = subject.module.load(subject.place((params,))[0], config)
    logits, cache = model.prefill(text[:, :PROMPT])
    for position in range(PROMPT, PROMPT + STEPS):
        wanted = expected[:, position - 1]
        assert np.abs(np.asarray(logits) - wanted).max() < 1e-4 * np.abs(wanted).max()
        logits, cache = model.decode(text[:, position], cache)
    assert np.abs(np.asarray(logits) - expected[:, -1]).max() < 1e-4 * np.abs(expected[:, -1]).max()

"""The gpt2 implementations against transformers: the weights of a GPT2LMHeadModel give its logits."""

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from impls.gpt2_config import GPT2Config as Sizes
from kernelgate.kernel import discover

GPT2 = discover("impls")["gpt2"]
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


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("implementation", GPT2.implementations)
def test_logits_of_prefill_and_of_each_decoded_step(implementation, original, batch):
    state = original.transformer.state_dict()
    model = GPT2.load(implementation).load({name: state[name].numpy() for name in SIZES.parameter_shapes()}, SIZES)
    text = np.random.default_rng(batch).integers(0, SIZES.vocab_size, (batch, PROMPT + STEPS))
    with torch.no_grad():
        expected = original(torch.from_numpy(text)).logits.numpy()
    logits, cache = model.prefill(text[:, :PROMPT])
    for position in range(PROMPT, PROMPT + STEPS):
        wanted = expected[:, position - 1]
        assert np.abs(np.asarray(logits) - wanted).max() < 1e-4 * np.abs(wanted).max()
        logits, cache = model.decode(text[:, position], cache)

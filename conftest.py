"""The options of this house: a real checkpoint and its tokenizer in place of random weights."""

from pathlib import Path

import pytest


def pytest_addoption(parser):
    group = parser.getgroup("models")
    group.addoption("--checkpoint", type=Path, help="weights to time: .npz, llama2.c .bin or a Hugging Face directory")
    group.addoption("--tokenizer", type=Path, help="their vocabulary: llama3.np .json, llama2.c .bin or .model")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    checkpoint, tokenizer = session.config.getoption("checkpoint"), session.config.getoption("tokenizer")
    if checkpoint or tokenizer:
        from impls.llama.spec import use_checkpoint

        try:
            use_checkpoint(checkpoint, tokenizer)
        except (OSError, ValueError) as error:
            raise pytest.UsageError(str(error)) from None

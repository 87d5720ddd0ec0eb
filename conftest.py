"""What this house adds to pytest: real weights in place of random ones, and its hypothesis profile."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# What a test starts is no worker of xdist's, though pytest-benchmark would take it for one by its environment.
os.environ.pop("PYTEST_XDIST_WORKER", None)

# A stall of a shared machine is no fault of a test.
settings.register_profile(
    "house", settings(), max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", settings.get_profile("house"), max_examples=1000)
settings.load_profile("house")


def pytest_addoption(parser):
    group = parser.getgroup("models")
    group.addoption("--checkpoint", type=Path, help="weights to time: .npz, llama2.c .bin or a Hugging Face directory")
    group.addoption("--tokenizer", type=Path, help="their vocabulary: llama3.np .json, llama2.c .bin or .model")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    checkpoint, tokenizer = session.config.getoption("checkpoint"), session.config.getoption("tokenizer")
    if (checkpoint or tokenizer) and session.config.getoption("against"):
        raise pytest.UsageError("--checkpoint and --tokenizer are for plain runs: --against measures the named shapes")
    if checkpoint or tokenizer:
        from impls.llama.spec import use_checkpoint

        try:
            use_checkpoint(checkpoint, tokenizer)
        except (OSError, ValueError) as error:
            raise pytest.UsageError(str(error)) from None

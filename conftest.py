"""What this house adds to pytest: real weights in place of random ones, and its hypothesis profile."""

import os
import sys
from importlib import import_module
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
# The rows of libraries, where an example can cost a compilation by a C++ compiler.
settings.register_profile("peers", settings.get_profile("house"), max_examples=6)
settings.load_profile("house")


def pytest_addoption(parser):
    group = parser.getgroup("models")
    group.addoption("--checkpoint", type=Path, help="weights to time: .npz, llama2.c .bin or a Hugging Face directory")
    group.addoption(
        "--tokenizer", type=Path, help="their vocabulary: llama3.np .json, llama2.c .bin, .model, or GPT-2's directory"
    )


def pytest_configure(config):
    if not hasattr(config.option, "against"):
        raise pytest.UsageError(
            f"{sys.executable} has no kernelgate: expected its plugin and what it needs. "
            "Run tox run -e test, or pip install -e '.[dev]' first"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    checkpoint, tokenizer = session.config.getoption("checkpoint"), session.config.getoption("tokenizer")
    if (checkpoint or tokenizer) and session.config.getoption("against"):
        raise pytest.UsageError("--checkpoint and --tokenizer are for plain runs: --against measures the named shapes")
    if checkpoint or tokenizer:
        from impls.checkpoints import family_of

        try:
            by_directory = "gpt2" if tokenizer and tokenizer.is_dir() else "llama"
            family = family_of(checkpoint) if checkpoint else by_directory
            import_module(f"impls.{family}.spec").use_checkpoint(checkpoint, tokenizer)
        except (OSError, ValueError) as error:
            raise pytest.UsageError(str(error)) from None

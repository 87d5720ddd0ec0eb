"""What this house adds to pytest: real weights in place of random ones, an order of tests, a hypothesis profile."""

import os
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


def pytest_collection_modifyitems(config, items):
    """Where workers share the tests: the rows of an implementation behind each other, those that compile longest first.

    So one worker compiles for all tests of an implementation, but for the few that another steals; and what is left
    when there is no more to steal is short.
    """
    from kernelgate.kernel import BACKENDS, backend_of

    def place(item):
        row = item.callspec.params if hasattr(item, "callspec") else {}
        # Where no row was asked for, pytest has a mark in place of its name.
        if not isinstance(row.get("impl"), str):
            return 2, "", ""
        required = BACKENDS[backend_of(row["impl"])].requires
        return (0 if "numba" in required else 1 if required else 3), row["kernel"], row["impl"]

    if hasattr(config, "workerinput"):
        items.sort(key=place)

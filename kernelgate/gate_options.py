"""The options of `--against`; apart from the gate itself, which imports NumPy and so must wait for the pinning."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

# What `--against-env` without an interpreter means.
BUILD = "build"
# Seconds to measure in, after what compilers made of kernels has been read.
BUDGET = 600.0
# With `--changed`, which somebody waits for, both together; of which reading may take so much, and the rest on top.
WAITING, READING = 52.0, 30.0


def share(text: str) -> float:
    """`3%` or `2.5`, in per cent."""
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no margin, expected per cent such as 3% or 0.5%")
    return value


def seconds(text: str) -> float:
    """`90`, `90s` or `10m`."""
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:], 0.0)
    try:
        value = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time, expected seconds or minutes such as 90s or 10m")
    return value


def shard(text: str) -> tuple[int, int]:
    """`2/4`: the second of four."""
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard, expected one such as 2/4")
    return int(number), int(count)


def add(parser: pytest.Parser) -> None:
    group = parser.getgroup("kernelgate: against another commit")
    option = group.addoption
    option("--against", metavar="REF", help="judge the benchmarks against a branch, tag, commit, or + for HEAD")
    option(
        "--margin", type=share, metavar="PERCENT", help="slowdown to put up with (default: the spec's, else `margin`)"
    )
    option(
        "--budget",
        type=seconds,
        metavar="TIME",
        help="time to measure in (default: 10m; with --changed 52s with what is read before, and --resume goes on)",
    )
    option("--changed", action="store_true", help="judge only what runs files that differ from REF's")
    option(
        "--against-env",
        nargs="?",
        const=BUILD,
        metavar="PYTHON",
        help="run REF's side in an environment with the versions of its lock file, or in that interpreter's",
    )
    option("--shard", type=shard, default=(1, 1), metavar="K/N", help="judge every Nth row, from the Kth on")
    option(
        "--resume", action="store_true", help="go on where a run of the same comparison was killed, or its budget ended"
    )
    option("--gate-report", type=Path, metavar="DIR", help="write gate.json, gate.md and, with plotly, gate.html there")
    option("--gate-strict", action="store_true", help="exit 1 on INCONCLUSIVE, INVALID and MISSING too")
    parser.addini("lock", "lock file whose changes the gate tells", default="constraints.txt")
    parser.addini("margin", "slowdown that the gate puts up with", default="1.5%")

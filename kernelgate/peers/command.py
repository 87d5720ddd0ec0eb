"""Set whole models side by side with llama.cpp and transformers on the same weights, in interleaved blocks.

Each model and format is measured in processes of its own, one after the other. Ratios say how many times faster a row
is; the error is the relative RMS of its logits against the reference in float64, with the weights as they were before
they were quantised.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import PeersError


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--package", default="impls", help="the package that holds the models (default: %(default)s)")
    for name, example in (("models", "stories15M"), ("formats", "f32,int8"), ("operations", "decode-b1,prefill-256")):
        parser.add_argument(
            f"--{name}", type=_names, default=[], metavar="NAMES", help=f"as {example} (default: what specs name)"
        )
    parser.add_argument("--rows", type=_names, default=[], metavar="TEXTS", help="of ours, those with one in the name")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="fresh ones for each (default: 1)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of blocks a row and operation (default: 0.5)")
    parser.add_argument("--threads", type=int, metavar="N", help="for every library (default: one a processor)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it for programs")


def run(options: argparse.Namespace) -> int:
    """Measure, print and write; 1 if a row failed. PeersError or OSError says what is in the way."""
    if options.processes < 1:
        raise PeersError(f"--processes is {options.processes}, expected at least 1")
    if options.json and not options.json.parent.is_dir():
        raise PeersError(f"--json {options.json}: there is no folder {options.json.parent}")
    from .. import threads

    try:
        threads.pin(options.threads)
    except ValueError as error:
        raise PeersError(str(error)) from None
    from ..gate_report import replace
    from . import plan, table

    jobs = _jobs(options)
    document: dict[str, Any] = {
        "machine": threads.record(),
        "absent": sorted({lack for group in jobs for lack in plan.absent(plan.folder_of(group.package, group.model))}),
        "groups": [],
    }
    print(table.heading())
    # As they come: all of them take long, and what is interrupted has still said something.
    for group in jobs:
        for found in _measured(group, options.processes):
            document["groups"].append(found)
            print(*table.of_group(found), sep="\n", flush=True)
    for backend in document["absent"]:
        print(f"absent: {backend}")
    if options.json:
        replace(options.json, json.dumps(document, indent=1, allow_nan=False) + "\n")
    failed = [row for group in document["groups"] for row in group["rows"].values() if _failed(row)]
    return 1 if failed else 0


def _jobs(options: argparse.Namespace) -> list[Any]:
    """What is to be measured. PeersError if a name is unknown, or if there is nothing to set beside a row."""
    from ..devices import lacking
    from . import plan

    if all(lacking(backend) for backend in (plan.LLAMACPP, plan.TRANSFORMERS)):
        raise PeersError(
            f"nothing to set beside: {lacking(plan.LLAMACPP)}, {lacking(plan.TRANSFORMERS)}; see the extra peers"
        )
    jobs = [
        plan.Group(options.package, model, weights, names, tuple(options.rows), 0, options.threads, options.seconds)
        for model in options.models or plan.models(options.package)
        for weights, names in plan.planned(options.package, model, options.formats, options.operations).items()
    ]
    if not jobs:
        raise PeersError(f"package {options.package}: no family of it names models to set side by side")
    return jobs


def _measured(group: Any, processes: int) -> list[dict[str, Any]]:
    from dataclasses import replace

    from .plan import Operation
    from .rounds import add_rates, merged

    runs: list[list[dict[str, Any]]] = []
    for seed in range(processes):
        print(f"{group.model} {group.weights}, process {seed + 1} of {processes}", file=sys.stderr, flush=True)
        runs.append(list(_process(replace(group, seed=seed))))
    tables = []
    for found in zip(*runs, strict=True):
        operation, read = found[0]["operation"], found[0]["bytes"]
        bandwidth = statistics.median(one["bandwidth"] for one in found) if found[0]["bandwidth"] else None
        rows = merged([one["rows"] for one in found])
        for row in rows.values():
            add_rates(row, Operation.named(operation).tokens, read, bandwidth)
        names = {"model": group.model, "weights": group.weights, "operation": operation}
        tables.append({**names, "bytes": read, "bandwidth": bandwidth, "rows": rows})
    return tables


def _process(group: Any) -> Iterator[dict[str, Any]]:
    """The lines of one process. PeersError if it dies."""
    with subprocess.Popen(
        [sys.executable, "-m", "kernelgate.peers.group"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": str(group.seed)},
        text=True,
    ) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(group.to_json() + "\n")
        worker.stdin.close()
        for line in worker.stdout:
            yield json.loads(line)
    if worker.returncode:
        raise PeersError(f"the process for {group.model} in {group.weights} ended with status {worker.returncode}")


def _failed(row: Mapping[str, Any]) -> bool:
    return "problem" in row and not row["problem"].startswith("left out")


def _names(text: str) -> Sequence[str]:
    return [name.strip() for name in text.split(",") if name.strip()]

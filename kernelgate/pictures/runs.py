"""Runs that pytest-benchmark stored, as far as the pictures need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .records import PictureError, items, mapping, number, read, text

AXES = ("kernel", "impl", "case", "dtype", "device")
FIGURES = ("flops", "bytes", "gflops", "gbps", "limit_share", "speedup_over_reference", "error_ulps", "first_call_s")


@dataclass(frozen=True)
class Result:
    """One benchmark of one run. `names` are its kernel, impl, case, dtype and device, if it is one of kernelgate's."""

    benchmark: str
    operation: str
    names: Mapping[str, str]
    median: float
    figures: Mapping[str, float]

    @property
    def work(self) -> str:
        """What is computed, whoever computes it."""
        parts = (self.names["kernel"], "" if self.operation == "kernel" else self.operation, self.names["case"])
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Run:
    """One file. `limits` are by device what the machine was measured to do: GB/s by working set, GFLOP/s by dtype."""

    when: datetime
    commit: str
    machine: str
    limits: Mapping[str, Mapping[str, Mapping[str, float]]]
    results: tuple[Result, ...]

    @property
    def label(self) -> str:
        return f"{self.when:%Y-%m-%d %H:%M} {self.commit}".strip()


def load(paths: Iterable[Path]) -> list[Run]:
    """The runs in the order of their dates. PictureError, in one line that names the file, where one is no such run."""
    unique = {path.resolve(): path for path in paths}
    return sorted((_run(read(path), str(path)) for path in unique.values()), key=lambda run: run.when)


def _run(document: Any, where: str) -> Run:
    document = mapping(document, where)
    absent = [name for name in ("benchmarks", "machine_info", "commit_info", "datetime") if name not in document]
    if absent:
        gate = "; it is a gate.json: python -m kernelgate gate" if "schema" in document and "rows" in document else ""
        raise PictureError(f"{where}: not a file of pytest-benchmark, it has no {', '.join(absent)}{gate}")
    commit = mapping(document["commit_info"], f"{where}: commit_info")
    machine = mapping(document["machine_info"], f"{where}: machine_info")
    return Run(
        _when(text(document, "datetime", where), where),
        f"{str(commit.get('id') or '')[:10]}{'+' if commit.get('dirty') else ''}",
        _machine(machine, where),
        _limits(machine, where),
        tuple(_result(mapping(item, where), where) for item in items(document, "benchmarks", where)),
    )


def _result(record: Mapping[str, Any], where: str) -> Result:
    name = text(record, "fullname", where)
    where = f"{where}: {name}"
    median = number(mapping(record.get("stats"), f"{where}: stats"), "median", where, least=0.0)
    if median == 0.0:
        raise PictureError(f"{where}: median is 0, expected a time")
    extra = mapping(record.get("extra_info", {}), f"{where}: extra_info")
    parameters = mapping(record.get("params") or {}, f"{where}: params")
    names = {axis: str(parameters[axis]) for axis in AXES if axis in parameters}
    return Result(
        name,
        _operation(str(record.get("group")), names),
        names if len(names) == len(AXES) else {},
        median,
        {figure: number(extra, figure, where) for figure in FIGURES if figure in extra},
    )


def _operation(group: str, names: Mapping[str, str]) -> str:
    """A group is named after the work, with the operation before it unless it is the kernel itself."""
    row = "-".join(names.get(axis, "") for axis in AXES if axis != "impl")
    return group.removesuffix(row).strip() or "kernel" if group.endswith(row) else "kernel"


def _when(stamp: str, where: str) -> datetime:
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        raise PictureError(f"{where}: datetime is {stamp!r}, expected ISO 8601") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _machine(info: Mapping[str, Any], where: str) -> str:
    """Machines that can be compared: rented ones get another name every day, but keep their processor."""
    cpu = mapping(info.get("cpu") or {}, f"{where}: cpu")
    processor = cpu.get("brand_raw") or info.get("processor") or info.get("machine") or "unknown processor"
    return f"{processor}, {cpu.get('count', '?')} processors"


def _limits(info: Mapping[str, Any], where: str) -> dict[str, dict[str, dict[str, float]]]:
    where = f"{where}: limits"
    limits = mapping(mapping(info.get("kernelgate", {}), where).get("limits", {}), where)
    return {
        device: {
            kind: {name: number(rates, name, where, least=0.0) for name in rates}
            for kind, rates in ((kind, mapping(value, where)) for kind, value in mapping(known, where).items())
        }
        for device, known in limits.items()
    }

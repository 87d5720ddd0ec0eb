"""What is set side by side: models, formats of their weights, and operations, as families of a package name them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..devices import lacking
from ..kernel import BACKENDS, DTYPES, Folder, Kernel, KernelError, backend_of, discover
from . import PeersError

LLAMACPP, TRANSFORMERS = "llamacpp", "torch_transformers"
POSITION = 128


@dataclass(frozen=True)
class Operation:
    """`decode-b32` is a step of 32 rows behind POSITION positions, `prefill-256` a prompt of 256 tokens in one row."""

    name: str
    kernel: str
    dims: Mapping[str, int]
    case: str

    @classmethod
    def named(cls, name: str) -> Operation:
        """PeersError for a name that is neither."""
        kernel, _, size = name.partition("-")
        count = size.removeprefix("b")
        if kernel in ("prefill", "decode") and count.isdecimal() and int(count) and size == count.rjust(len(size), "b"):
            if kernel == "decode" and size.startswith("b"):
                return cls(name, kernel, {"batch": int(count), "position": POSITION}, size)
            if kernel == "prefill" and size == count:
                return cls(name, kernel, {"batch": 1, "tokens": int(count)}, size)
        raise PeersError(f"operation {name}: unknown, expected decode-b<rows> or prefill-<tokens>, as decode-b32")

    @property
    def seq(self) -> int:
        """Tokens of a row, the last of which is what is decoded."""
        return self.dims["tokens"] if self.kernel == "prefill" else self.dims["position"] + 1

    @property
    def tokens(self) -> int:
        """Tokens that a call takes in."""
        return self.dims["tokens"] if self.kernel == "prefill" else self.dims["batch"]


@dataclass(frozen=True)
class Group:
    """What one process measures: the rows of one model in one format, for each operation side by side."""

    package: str
    model: str
    weights: str
    operations: tuple[str, ...]
    rows: tuple[str, ...]
    seed: int
    threads: int | None
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Group:
        fields = json.loads(text)
        return cls(**fields | {key: tuple(fields[key]) for key in ("operations", "rows")})


def family_of(folder: Folder) -> Any:
    """What the folder's `spec.py` defines as FAMILY; None where it is no folder of models."""
    return getattr(importlib.import_module(f"{folder.package}.{folder.name}.spec"), "FAMILY", None)


def folder_of(package: str, model: str) -> Folder:
    """The folder whose family has the model; PeersError if none has."""
    folders = [folder for folder in _folders(package).values() if family_of(folder) is not None]
    known = {name: folder for folder in folders for name in family_of(folder).models}
    if model not in known:
        raise PeersError(f"model {model}: unknown, expected one of {', '.join(known) or 'none: no family has any'}")
    return known[model]


def models(package: str) -> list[str]:
    """The models that families of the package set side by side."""
    return [model for folder in _folders(package).values() for model in _named(folder)]


def planned(package: str, model: str, formats: Sequence[str], operations: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The operations by format: what is asked for, and of what is not, all that the family names for this model."""
    named = _named(folder_of(package, model)).get(model, {})
    for weights in formats:
        if weights not in DTYPES:
            raise PeersError(f"format {weights}: unknown, expected some of {', '.join(DTYPES)}")
    for name in operations:
        Operation.named(name)
    plan = {weights: tuple(operations or named.get(weights, ())) for weights in formats or named}
    if unnamed := [weights for weights, names in plan.items() if not names]:
        raise PeersError(f"model {model}: its family names no operations for {', '.join(unnamed)}; give --operations")
    return plan


def rows_of(folder: Folder, kernel: Kernel, weights: str, only: Sequence[str]) -> list[str]:
    """Implementations with that format on this machine, llama.cpp's first, then transformers', then ours.

    `only` keeps those with one of these texts in their names, and what they are set beside. The reference is left out:
    it is what every benchmark of pytest is set beside.
    """
    able = [
        name
        for name in folder.implementations
        if backend_of(name) != "reference"
        and weights in kernel.dtypes_of(backend_of(name))
        and "cpu" in BACKENDS[backend_of(name)].devices
        and not lacking(backend_of(name))
    ]
    wanted = [name for name in able if peer(name) or not only or any(text in name for text in only)]
    return sorted(wanted, key=lambda name: (not is_llamacpp(name), not is_transformers(name), name))


def absent(folder: Folder) -> list[str]:
    """The backends whose implementations cannot run here, and what they lack."""
    backends = {backend_of(name) for name in folder.implementations}
    return [f"{name} ({lacking(name)})" for name in BACKENDS if name in backends and lacking(name)]


def is_llamacpp(row: str) -> bool:
    return row.startswith(f"{LLAMACPP}_")


def is_transformers(row: str) -> bool:
    return row.startswith(f"{TRANSFORMERS}_")


def peer(row: str) -> bool:
    return is_llamacpp(row) or is_transformers(row)


def _named(folder: Folder) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """What the family wants to see side by side: operations by model and format."""
    named: Mapping[str, Mapping[str, Sequence[str]]] = getattr(family_of(folder), "side_by_side", {})
    return named


def _folders(package: str) -> dict[str, Folder]:
    try:
        return discover(package)
    except KernelError as error:
        raise PeersError(str(error)) from None
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise PeersError(f"package {package}: there is none of that name here") from None

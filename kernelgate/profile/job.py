"""What to profile: an implementation of a package's models, its parameters, and the prompt as tokens."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..devices import UnavailableError, choose_devices, lacking, place
from ..kernel import BACKENDS, DTYPES, Backend, Folder, KernelError, backend_of, discover
from . import ProfileError

SEED = 20240229


class Family(Protocol):
    """What the `spec.py` of a folder of models defines as FAMILY, beside `Kernel`s named prefill, decode, generate."""

    models: Mapping[str, Any]

    def model_of(self, name: str, positions: int) -> Any:
        """The configuration of a model with a context of that many positions at least."""

    def parameters(self, rng: np.random.Generator, dtype: np.dtype[Any], name: str, config: Any) -> Any:
        """A checkpoint's, or random ones."""

    def encode(self, text: str) -> Sequence[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


@dataclass(frozen=True)
class Request:
    """What was asked for; None is the folder's or the implementation's first."""

    subject: str
    prompt: str
    package: str = "impls"
    model: str | None = None
    dtype: str | None = None
    device: str = "cpu"
    batch_size: int = 1
    count: int = 64
    checkpoint: Path | None = None
    tokenizer: Path | None = None


@dataclass(frozen=True)
class Job:
    """A request that can be met."""

    request: Request
    implementation: str
    backend: Backend
    family: Family
    model: str
    dtype: str
    config: Any
    prompt: np.ndarray
    load: Callable[[], Any]

    @property
    def tokens(self) -> np.ndarray:
        """The prompt in every row, int32 [batch, tokens]."""
        return np.tile(self.prompt, (self.request.batch_size, 1))


def prepare(request: Request) -> Job:
    """Find, check and make all that the request names; ProfileError says what does not fit.

    The parameters are made here, and placed where the implementation takes them; `load` makes the model of them.
    """
    for name in ("batch_size", "count"):
        if getattr(request, name) < 1:
            option = name.replace("_", "-")
            raise ProfileError(f"--{option} is {getattr(request, name)}, expected at least 1")
    try:
        folder, implementation = _find(request)
        return _job(request, folder, implementation)
    except (KernelError, UnavailableError) as error:
        raise ProfileError(str(error)) from None


def _find(request: Request) -> tuple[Folder, str]:
    absent = f"--package {request.package}: there is no such package in {Path.cwd()} or installed"
    if not all(name.isidentifier() for name in request.package.split(".")):
        raise ProfileError(absent)
    try:
        if not hasattr(importlib.import_module(request.package), "__path__"):
            raise ProfileError(f"--package {request.package} is a module, expected a package")
        folders = discover(request.package)
    except ModuleNotFoundError as error:
        if not f"{request.package}.".startswith(f"{error.name}."):
            raise
        raise ProfileError(absent) from None
    models = {name: folder for name, folder in folders.items() if _family(folder) is not None}
    known = [f"{name}-{one}" for name, folder in models.items() for one in folder.implementations]
    if request.subject in known:
        name, _, implementation = request.subject.partition("-")
        return models[name], implementation
    if not models:
        raise ProfileError(f"--package {request.package} holds no models: no spec.py of it defines FAMILY")
    raise ProfileError(f"{request.subject}: unknown, expected one of {', '.join(known)}")


def _family(folder: Folder) -> Any:
    return getattr(importlib.import_module(f"{folder.package}.{folder.name}.spec"), "FAMILY", None)


def _job(request: Request, folder: Folder, implementation: str) -> Job:
    name = backend_of(implementation)
    if lacking(name):
        raise UnavailableError(f"{request.subject}: {lacking(name)}")
    choose_devices([request.device], [name])
    dtype = _chosen("--dtype", request.dtype, folder.operations["decode"].dtypes_of(name), request.subject)
    family = _family(folder)
    before = set(family.models)
    if request.checkpoint or request.tokenizer:
        _use_checkpoint(request, folder)
    # What a checkpoint brings comes before the first of the shapes.
    models = sorted(family.models, key=lambda model: model in before)
    model = _chosen("--model", request.model, models, folder.name)
    try:
        ids = np.asarray(family.encode(request.prompt), np.int32)
        config = family.model_of(model, len(ids) + request.count)
        if not len(ids):
            raise ValueError("the prompt is empty, expected at least one token")
        _check_ids(ids, model, config)
        params = family.parameters(np.random.default_rng(SEED), DTYPES[dtype], model, config)
        module = folder.load(implementation)
    except (ValueError, OSError, ImportError) as error:
        raise ProfileError(f"{request.subject} {model}: {error}") from error
    placed = place(params, BACKENDS[name], request.device)
    return Job(
        request, implementation, BACKENDS[name], family, model, dtype, config, ids, lambda: module.load(placed, config)
    )


def _chosen(option: str, asked: str | None, known: Sequence[str], whose: str) -> str:
    if not known:
        raise ProfileError(f"{option}: {whose} has none to choose from")
    if asked is not None and asked not in known:
        raise ProfileError(f"{option} {asked}: unknown to {whose}, expected one of {', '.join(known)}")
    return asked or known[0]


def _check_ids(ids: np.ndarray, model: str, config: Any) -> None:
    if ids.max() >= config.vocab_size:
        raise ValueError(
            f"the prompt holds token {ids.max()}, but {model} has {config.vocab_size}: give its own --tokenizer"
        )


def _use_checkpoint(request: Request, folder: Folder) -> None:
    spec = importlib.import_module(f"{folder.package}.{folder.name}.spec")
    if not hasattr(spec, "use_checkpoint"):
        raise ProfileError(f"{folder.name} reads no checkpoint: its spec.py defines no use_checkpoint")
    try:
        spec.use_checkpoint(request.checkpoint, request.tokenizer)
    except (ValueError, OSError, ImportError) as error:
        raise ProfileError(str(error)) from error

"""Which implementations, cases, dtypes and devices make up a run: the rows of every table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .devices import choose_backends, choose_devices, lacking
from .kernel import BACKENDS, Folder, backend_of, discover
from .subject import Subject

# What a case may move, in float32, where nothing is timed and it is loaded first.
LOADED_BYTES = 100e6


@dataclass(frozen=True)
class Selection:
    """What was asked for: a package of kernels, and the backends and devices to run it with."""

    folders: Mapping[str, Folder]
    backends: tuple[str, ...]
    devices: tuple[str, ...]
    heavy: bool

    @classmethod
    def of(cls, package: str, backends: Sequence[str], devices: Sequence[str], heavy: bool) -> Selection:
        """UnavailableError for a backend or device that is not here, KernelError for a package not laid out as one."""
        chosen = choose_backends(backends)
        return cls(discover(package), chosen, choose_devices(devices, chosen), heavy)

    @property
    def absent(self) -> tuple[str, ...]:
        """The backends that the run leaves out, and what they lack if they could not run."""
        left_out = (name for name in BACKENDS if name not in self.backends)
        return tuple(f"{name} ({lacking(name)})" if lacking(name) else name for name in left_out)

    @property
    def operations(self) -> set[str]:
        return {operation for folder in self.folders.values() for operation in folder.operations}

    def cases(self, subject: Subject, clock: bool = True) -> dict[str, Mapping[str, Any]]:
        """The cases to time: the heavy ones only if asked for, and none that would take the subject hours.

        Without a clock only what size may change is left to see, since the domain proves every dtype in small: the
        first dtype. Of what is loaded first, as a model is, only the first case, if its weights are few: loading takes
        longer than all the rest.
        """
        kernel = subject.kernel
        hopeless = {case for case, other in kernel.extrapolated.items() if subject.implementation in other.left_out}
        cases = {**kernel.cases, **(kernel.heavy if self.heavy else {})}
        timed = {case: dims for case, dims in cases.items() if case not in hopeless}
        if clock:
            return timed
        if subject.dtype != kernel.dtypes_of(backend_of(subject.implementation))[0]:
            return {}
        if kernel.bind is None:
            return timed
        first = list(timed.items())[:1]
        return {case: dims for case, dims in first if kernel.work(4, **dims).bytes < LOADED_BYTES}

    def subjects(
        self,
        operation: str,
        kernels: Sequence[str] = (),
        backends: Sequence[str] = (),
        timed: bool = False,
    ) -> Iterator[Subject]:
        """Every implementation of the operation in each of its dtypes and on each device asked for.

        `kernels` and `backends` choose among them; with `timed`, what is only proven is left out.
        """
        for name, folder in self.folders.items():
            if operation not in folder.operations or (kernels and name not in kernels):
                continue
            for implementation in folder.implementations:
                backend = backend_of(implementation)
                if backend in self.backends and (not backends or backend in backends):
                    yield from self._of(folder, operation, implementation, timed)

    def libraries(self, subject: Subject) -> list[Subject]:
        """What a user would pick instead of one of our kernels: the library rows of the same work.

        None for a library itself; nor for whole models, which it would take minutes to load for each row again.
        """
        if subject.backend.library or subject.operation != "kernel":
            return []
        same = self.subjects(subject.operation, (subject.folder.name,), timed=True)
        return [
            row for row in same if row.backend.library and (row.dtype, row.device) == (subject.dtype, subject.device)
        ]

    def _of(self, folder: Folder, operation: str, implementation: str, timed: bool) -> Iterator[Subject]:
        name = backend_of(implementation)
        backend, kernel = BACKENDS[name], folder.operations[operation]
        devices = set(backend.devices) - set(backend.interpreted if timed else ())
        untimed = backend.untimed if timed and name not in kernel.dtypes else ()
        for dtype in kernel.dtypes_of(name):
            for device in self.devices:
                if device in devices and dtype not in untimed:
                    yield Subject(folder, operation, implementation, dtype, device)

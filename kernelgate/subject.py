"""One implementation of one operation, in a dtype on a device: what every test and benchmark is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from types import ModuleType
from typing import Any

import numpy as np

from .arrays import is_array, map_arrays
from .devices import awaited, copied, fetch, on_lines, place
from .kernel import BACKENDS, Backend, Folder, Kernel, KernelError, backend_of


@dataclass(frozen=True)
class Subject:
    """Calling it with NumPy arguments runs the implementation where it belongs and returns NumPy arrays."""

    folder: Folder
    operation: str
    implementation: str
    dtype: str
    device: str

    @property
    def kernel(self) -> Kernel:
        return self.folder.operations[self.operation]

    @property
    def backend(self) -> Backend:
        return BACKENDS[backend_of(self.implementation)]

    @cached_property
    def module(self) -> ModuleType:
        return self.folder.load(self.implementation)

    @property
    def reference(self) -> Subject:
        """The reference of the same operation and dtype; on the CPU, wherever this one runs."""
        return Subject(self.folder, self.operation, "reference", self.dtype, "cpu")

    def place(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments where the implementation takes them."""
        placed: tuple[Any, ...] = place(arguments, self.backend, self.device)
        return placed

    def bind(self, placed: tuple[Any, ...]) -> Callable[[], Any]:
        """A call without arguments that computes the operation and returns when the result is there.

        What the operation may write to is copied, so that `placed` stays as it is.
        """
        return self.bind_prepared(self.prepared(placed))

    def prepared(self, placed: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of the function: weights as the implementation's `prepare` makes them, if it has one."""
        prepare = getattr(self.module, "prepare", None)
        if prepare is None or self.kernel.bind is not None:
            return placed
        first = len(placed) - self.kernel.weights
        return (*placed[:first], *prepare(*placed[first:]))

    def prepared_to_time(self, placed: tuple[Any, ...]) -> tuple[Any, ...]:
        """As `prepared`, on cache lines like all arrays that are timed: where else is luck, which can move it by 17 %.

        Not where a result is checked: who writes to a copy would not be seen to write to an argument.
        """
        on_cache_lines: tuple[Any, ...] = on_lines(self.prepared(placed))
        return on_cache_lines

    def bind_prepared(self, prepared: tuple[Any, ...]) -> Callable[[], Any]:
        """As `bind`, of what `prepared` or `prepared_to_time` gave."""
        return awaited(self._call(prepared), self.backend, self.device)

    def __call__(self, *arguments: Any) -> Any:
        return fetch(self.bind(self.place(arguments))())

    def oracle(self, arguments: tuple[Any, ...]) -> Any:
        """The reference in float64 on the arguments as they were rounded to the working dtype."""
        rounded = self.kernel.rounded(self.module, *arguments)
        return self.reference._call(self.reference.prepared(upcast(rounded)))()

    def _call(self, arguments: tuple[Any, ...]) -> Callable[[], Any]:
        if self.kernel.bind is not None:
            return self.kernel.bind(self.module, *arguments)
        name = self.folder.name
        if not hasattr(self.module, name):
            raise KernelError(
                f"{self.module.__name__} defines no function {name}: a file holds the one named after its folder"
            )
        function = getattr(self.module, name)
        if self.device in self.backend.interpreted:
            function = partial(function, interpret=True)
        return (
            mutating(function, arguments, self.kernel.mutates) if self.kernel.mutates else partial(function, *arguments)
        )


def mutating(function: Callable[..., Any], arguments: tuple[Any, ...], count: int) -> Callable[[], Any]:
    """A call that hands the first `count` arguments of its result to the next call; the first gets copies."""
    state, rest = copied(arguments[:count]), arguments[count:]

    def call() -> Any:
        nonlocal state
        result = function(*state, *rest)
        state = (result,) if is_array(result) else tuple(result[:count])
        return result

    return call


def is_floating(array: Any) -> bool:
    """Whether the dtype is a floating-point one, ml_dtypes' included (NumPy calls those void)."""
    return bool(np.issubdtype(array.dtype, np.floating)) or "float" in array.dtype.name


def upcast(tree: Any) -> Any:
    """`tree` with floating-point arrays in float64."""
    return map_arrays(lambda array: np.asarray(array, np.float64) if is_floating(array) else array, tree)


def first_floating(arguments: tuple[Any, ...]) -> bool:
    """Whether the first argument is an array of activations."""
    return is_array(arguments[0]) and is_floating(arguments[0])

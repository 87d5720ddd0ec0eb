"""Do two implementations compute the same? Examples drawn by hypothesis from a kernel's domain, and saboteurs."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import hypothesis
import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from .arrays import LAYOUTS, is_array, laid_out, map_arrays, named_arrays
from .devices import fetch
from .judging import Mismatch, judge
from .kernel import DTYPES, Kernel
from .subject import Subject, first_floating, is_floating

EDGES: Mapping[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "plain": lambda rng, activations: activations,
    "duplicated": lambda rng, activations: np.rint(activations),
    "zero row": lambda rng, activations: np.concatenate([np.zeros_like(activations[:1]), activations[1:]]),
}


@dataclass(frozen=True)
class Example:
    """What hypothesis draws: dims and a few plain values. The arrays come from the seed, so that shrinking is quick."""

    dims: Mapping[str, Any]
    seed: int = 0
    magnitude: float = 1.0
    edge: str = "plain"
    layout: str = "contiguous"

    def arguments(self, kernel: Kernel, dtype: str) -> tuple[Any, ...]:
        """The kernel's inputs for this example, in its memory layout."""
        rng = np.random.default_rng(self.seed)
        arguments = kernel.inputs(rng, DTYPES[dtype], **self.dims)
        if first_floating(arguments):
            spoilt = {**EDGES, **kernel.edges}[self.edge](rng, arguments[0].astype(np.float64)) * self.magnitude
            arguments = (spoilt.astype(DTYPES[dtype]), *arguments[1:])
        laid: tuple[Any, ...] = map_arrays(lambda array: laid_out(array, self.layout), arguments)
        return laid


def examples(subject: Subject) -> st.SearchStrategy[Example]:
    """Examples for a subject: its domain, seeds, magnitudes, edges, and memory layouts where the backend sees them."""
    kernel = subject.kernel
    dims = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in kernel.domain.items()})
    return st.builds(
        Example,
        dims.filter(lambda drawn: kernel.where(**drawn)),
        seed=st.integers(0, 2**32 - 1),
        magnitude=st.sampled_from(sorted(kernel.magnitudes, key=lambda value: value != 1.0)),
        edge=st.sampled_from((*EDGES, *kernel.edges)),
        layout=st.sampled_from(LAYOUTS if subject.backend.arrays == "numpy" else LAYOUTS[:1]),
    )


@dataclass(frozen=True)
class Saboteur:
    """A way to be wrong: spoils the arguments before the call, or each array of the result after it."""

    arguments: Callable[[Any], Any] = lambda arguments: arguments
    result: Callable[[np.ndarray], np.ndarray] = lambda array: array


def prove(subject: Subject, saboteur: Saboteur = Saboteur(), **settings: Any) -> None:
    """Raise Mismatch if hypothesis finds an example on which the subject, thus sabotaged, is wrong."""

    @hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck), **settings)
    @hypothesis.given(examples(subject))
    def holds(example: Example) -> None:
        check(subject, example, saboteur)

    holds()


def check(subject: Subject, example: Example, saboteur: Saboteur = Saboteur()) -> None:
    """Raise Mismatch unless the subject's answer to the example is right and its arguments are left as they were."""
    arguments = example.arguments(subject.kernel, subject.dtype)
    placed = subject.place(saboteur.arguments(arguments))
    before = [(name, array.tobytes()) for name, array in named_arrays(fetch(placed))]
    result = subject.bind(placed)()
    try:
        for (name, was), (_, array) in zip(before, named_arrays(fetch(placed)), strict=True):
            if array.tobytes() != was:
                raise Mismatch(f"argument {name} was changed, but an implementation is a pure function")
        if subject.kernel.bind is None:
            check_annotations(getattr(subject.module, subject.folder.name), subject.prepared(placed), result)
        judge(subject, map_arrays(saboteur.result, fetch(result)), arguments)
    except Mismatch as mismatch:
        raise Mismatch(f"{example}: {mismatch}") from None


def check_annotations(function: Callable[..., Any], arguments: tuple[Any, ...], result: Any) -> None:
    """Raise Mismatch if the shapes and dtypes are not those of the function's jaxtyping annotations, if it has any."""
    from jaxtyping import AbstractArray, jaxtyped

    signature = inspect.signature(function, eval_str=True)
    bound = signature.bind(*arguments).arguments
    hints = [(name, bound[name], signature.parameters[name].annotation) for name in bound]
    hints.append(("its result", result, signature.return_annotation))
    shaped = [hint for hint in hints if inspect.isclass(hint[2]) and issubclass(hint[2], AbstractArray)]
    if not shaped:
        return  # a context of jaxtyping imports JAX
    with jaxtyped("context"):
        for name, value, hint in shaped:
            if not isinstance(value, hint):
                given = f"{value.dtype}{list(value.shape)}" if is_array(value) else repr(value)
                raise Mismatch(f"{name} is {given}, but annotated as {hint.__name__}")


COARSER: Mapping[str, Any] = {"f32": ml_dtypes.bfloat16, "bf16": ml_dtypes.float8_e5m2}


def saboteurs(subject: Subject) -> Iterator[tuple[str, Saboteur]]:
    """Wrong answers by name: each must be rejected by the check of the subject's kernel."""
    for name, spoil in RESULTS.items():
        yield name, Saboteur(result=spoil)
    if subject.kernel.agrees is None and is_floating(np.empty(0, DTYPES[subject.dtype])):
        yield "in float64", Saboteur(result=lambda array: array.astype(np.float64))
        # What is computed with quantised activations is no more exact than a coarser dtype.
        if coarser := COARSER.get(subject.dtype):
            yield "rounded to a coarser dtype", Saboteur(result=lambda array: array.astype(coarser).astype(array.dtype))
    dims = {name: values[-1] for name, values in subject.kernel.domain.items()}
    for position, (name, _) in enumerate(named_arrays(Example(dims).arguments(subject.kernel, subject.dtype))):
        yield f"argument {name} ignored", Saboteur(arguments=partial(_with_constant, position=position))


def _last_dropped(array: np.ndarray) -> np.ndarray:
    dropped = array.copy()
    dropped[..., -1:] = 0
    return dropped


RESULTS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "zeros": np.zeros_like,
    "negated": np.negative,
    "shifted by one": lambda array: np.roll(array, 1, axis=-1),
    "last element dropped": _last_dropped,
    "a row too few": lambda array: array[:-1],
}


def _with_constant(arguments: Any, position: int) -> Any:
    """The arguments with their array at `position` replaced by ones, or by zeros where it holds integers."""
    counter = itertools.count()

    def replaced(array: np.ndarray) -> np.ndarray:
        return array if next(counter) != position else np.full_like(array, 1 if is_floating(array) else 0)

    return map_arrays(replaced, arguments)

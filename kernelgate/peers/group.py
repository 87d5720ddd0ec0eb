"""One process of the table: a model in one format, loaded once by every row, and timed side by side.

Run as `python -m kernelgate.peers.group`: a Group comes in as one line of JSON; a line of JSON goes out for each
operation, with the figures of each row or why it has none. That the process ends frees its memory.
"""

from __future__ import annotations

import gc
import json
import random
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from .. import jax_programs, numba_cache, threads
from ..pairing import own_channel
from .plan import Group, Operation, family_of, folder_of, is_llamacpp, is_transformers, rows_of
from .rounds import interleaved, summary

SEED = 20240229
# Parameters beyond which float64 would neither fit nor end soon, and drawing each by itself takes half a minute.
LARGE = 500_000_000
# Rows of a batch that the oracle computes: they are alike.
JUDGED = 2


def main() -> None:
    channel = own_channel()
    group = Group.from_json(sys.stdin.readline())
    threads.pin(group.threads)
    numba_cache.use()
    jax_programs.keep()
    for found in measured(group):
        print(json.dumps(found), file=channel, flush=True)


def measured(group: Group) -> Any:
    """The figures of each operation in turn: its rows, the bytes that a call must read, and how many a second come."""
    import numpy as np

    from ..arrays import aligned, map_arrays
    from ..kernel import DTYPES

    folder = folder_of(group.package, group.model)
    family, operations = family_of(folder), [Operation.named(name) for name in group.operations]
    config = family.model_of(group.model, max(operation.seq for operation in operations))
    large = _size(family.models[group.model]) > LARGE
    rng = np.random.default_rng(SEED)
    drawn = family.parameters(Repeating(rng) if large else rng, DTYPES[group.weights], group.model, config)
    params = drawn if large else map_arrays(aligned, drawn)
    del drawn
    oracle = None if large else _oracle(folder, params, config)
    rows = Rows(group, folder, config)
    order = random.Random(group.seed)
    names = rows_of(folder, folder.operations[operations[0].kernel], group.weights, group.rows)
    for row in names:
        say(f"  loading {row}")
        rows.load(row, params)
    del params
    gc.collect()
    for operation in operations:
        yield _operation(operation, rows, oracle, order)


class Rows:
    """The models that could be loaded, and why the others could not."""

    def __init__(self, group: Group, folder: Any, config: Any) -> None:
        self.group, self.folder, self.config = group, folder, config
        self.models: dict[str, Any] = {}
        self.problems: dict[str, str] = {}

    def load(self, row: str, params: Mapping[str, Any]) -> None:
        subject = self.subject(row, "decode")
        if problem := _too_large(params):
            self.problems[row] = problem
            return
        try:
            self.models[row] = subject.module.load(subject.place((params,))[0], self.config)
        except Exception as error:  # whatever a row raises is that row's result, and the others go on
            self.problems[row] = f"{type(error).__name__}: {error}"

    def subject(self, row: str, operation: str) -> Any:
        from ..subject import Subject

        return Subject(self.folder, operation, row, self.group.weights, "cpu")

    def bind(self, row: str, operation: Operation, tokens: Any) -> Callable[[], Any]:
        """A call that computes the operation and returns when the logits are there."""
        from ..devices import awaited

        subject, model = self.subject(row, operation.kernel), self.models[row]
        loaded = SimpleNamespace(load=lambda params, config: model)
        call = subject.kernel.bind(loaded, *subject.place((tokens,)), None, self.config)
        return awaited(call, subject.backend, "cpu")


def _operation(operation: Operation, rows: Rows, oracle: Any, order: random.Random) -> dict[str, Any]:
    import numpy as np

    from .. import limits
    from ..kernel import itemsize

    kernel = rows.folder.operations[operation.kernel]
    shape = (operation.dims["batch"], operation.seq)
    tokens = np.random.default_rng(SEED).integers(0, rows.config.vocab_size, shape, np.int32)
    expected = None if oracle is None else oracle(tokens[:JUDGED])
    calls, found = _first_calls(operation, rows, tokens, expected, order)
    say(f"  {operation.name}: {len(calls)} rows side by side")
    work = kernel.work(itemsize(rows.group.weights), model=rows.group.model, **operation.dims)
    probe = (lambda: limits.reading(int(work.bytes))) if operation.kernel == "decode" else None
    took, probed = interleaved(calls, order, rows.group.seconds * len(calls), probe)
    bandwidth = float(np.median(probed)) if probed else None
    for row, values in summary(took, list(filter(is_llamacpp, calls)), list(filter(is_transformers, calls))).items():
        found[row] |= values
    return {"operation": operation.name, "bytes": work.bytes, "bandwidth": bandwidth, "rows": found}


def _first_calls(
    operation: Operation, rows: Rows, tokens: Any, expected: Any, order: random.Random
) -> tuple[dict[str, Callable[[], Any]], dict[str, dict[str, Any]]]:
    """A call for each row that has one, compiled; and for each row its error, or the problem why it has none."""
    import numpy as np

    kernel = rows.folder.operations[operation.kernel]
    hopeless = getattr(kernel.extrapolated.get(f"{rows.group.model}-{operation.case}"), "left_out", ())
    calls: dict[str, Callable[[], Any]] = {}
    found: dict[str, dict[str, Any]] = {row: {"problem": problem} for row, problem in rows.problems.items()}
    largest = 0
    # In random order, since what is bound first may lie in better memory.
    for row in order.sample(sorted(rows.models), len(rows.models)):
        free = _free()
        if row in hopeless:
            found[row] = {"problem": "left out: it would take minutes"}
        elif free < 2 * largest:
            found[row] = {"problem": left_out(free, 2 * largest)}
        else:
            say(f"  {operation.name}: first call of {row}")
            try:
                call = rows.bind(row, operation, tokens)
                logits = np.asarray(call())[:JUDGED]
            except Exception as error:  # as in loading
                found[row] = {"problem": f"{type(error).__name__}: {error}"}
                continue
            found[row] = {"error": None if expected is None else relative_rms(logits, expected)}
            calls[row] = call
            largest = max(largest, free - _free())
    return calls, found


def relative_rms(logits: Any, expected: Any) -> float:
    """The root of the mean square of the error, in that of what is expected."""
    import numpy as np

    wide = np.asarray(logits, np.float64)
    return float(np.sqrt(np.mean((wide - expected) ** 2) / np.mean(expected**2)))


def _oracle(folder: Any, params: Mapping[str, Any], config: Any) -> Callable[[Any], Any]:
    from ..subject import upcast

    module, exact = folder.load("reference"), upcast(dict(params))
    return lambda tokens: module.load(exact, config).prefill(tokens)[0]


def _size(config: Any) -> int:
    import math

    return sum(math.prod(shape) for shape in config.parameter_shapes().values())


def _too_large(params: Mapping[str, Any]) -> str:
    """Why the parameters are not loaded once more: a row may hold them in float32, and needs as much again to make it.

    Better said before than killed by the system.
    """
    needed, free = 8 * sum(array.size for array in params.values()), _free()
    return "" if needed < free else left_out(free, needed)


def left_out(free: int, needed: int) -> str:
    return f"left out: {free >> 20} MiB are free, it may need {needed >> 20}; try --rows"


def _free() -> int:
    import psutil

    return int(psutil.virtual_memory().available)


class Repeating:
    """A source of parameters of large models: normal numbers, drawn once and repeated from a random place on."""

    COUNT = 1 << 22

    def __init__(self, rng: Any) -> None:
        import numpy as np

        self.rng, self.numbers = rng, rng.standard_normal(self.COUNT, np.float32)

    def standard_normal(self, shape: tuple[int, ...], dtype: Any) -> Any:
        import numpy as np

        start = int(self.rng.integers(self.COUNT))
        return np.resize(np.roll(self.numbers, start), shape).astype(dtype, copy=False)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

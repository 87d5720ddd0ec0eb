"""One profile: a generation to compile and warm up, some without a profile for the rates, and one with it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import psutil

from ..compilation import compilation
from ..devices import awaited, jax_device
from ..kernel import Backend
from ..memory import peak_memory
from . import xla_trace
from .cycles import Counter, counts
from .generation import PREFILL, SAMPLING, STEP, generate, timed, untimed
from .job import Job
from .marks import timed_parts
from .spans import Recorder, Recording
from .tree import Node, grow

LEAST_SECONDS, MOST_RUNS = 0.2, 9
OWN = {PREFILL, STEP, SAMPLING}


@dataclass(frozen=True)
class Profile:
    """What came of it; `seconds` of generating without a profile, by prefill and decode."""

    job: Job
    tokens: np.ndarray
    recording: Recording
    tree: Node
    source: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def prefill_rate(self) -> float:
        """Tokens of all prompts a second, up to the first token picked."""
        return self.job.tokens.size / float(self.facts["prefill_s"])

    @property
    def decode_rate(self) -> float | None:
        """Tokens a second over all rows, of the steps after the prefill; None if there were none."""
        steps = self.tokens.size - len(self.tokens)
        return steps / float(self.facts["decode_s"]) if steps and self.facts["decode_s"] else None

    @property
    def slowdown(self) -> float:
        """How many times longer the profiled generation took than the one without a profile."""
        return self.tree.duration / 1e9 / float(self.facts["prefill_s"] + self.facts["decode_s"])


def profile(job: Job) -> Profile:
    """Load the model and generate at least three times; ProfileError where JAX cannot read its own profile."""
    finish = finisher(job.backend, job.request.device)
    tokens, count = job.tokens, job.request.count
    facts: dict[str, Any] = {}
    before = psutil.Process().memory_info().rss
    start = time.perf_counter()
    model = job.load()
    facts["load_s"] = time.perf_counter() - start
    with compilation(job.backend, facts):
        generate(model, tokens, count, untimed, finish)
    held = psutil.Process().memory_info().rss - before
    with peak_memory(facts):
        facts["prefill_s"], facts["decode_s"] = typical(partial(timed, model, tokens, count, finish))
    facts["peak_memory_bytes"] += max(0, held)
    picked, recording, source = record(job, model, finish)
    return Profile(job, picked, recording, grow(recording), source, facts)


def record(job: Job, model: Any, finish: Callable[[Any], Any]) -> tuple[np.ndarray, Recording, str]:
    """The tokens, what was recorded, and where that comes from: marked parts, or else what the backend has."""
    texts = partial(generate, model, job.tokens, job.request.count)
    if counts(model):
        counter = Counter(model, finish)
        with counter.counting():
            picked = texts(counter.recorder.span, finish)
        return picked, counter.recording, "cycles that the compiled step counts"
    recorder = Recorder(finish)
    with timed_parts(job.request.package, model, recorder):
        picked = texts(recorder.span, finish)
    recording = Recording(recorder.spans)
    if any(not OWN.issuperset(span.path[1:]) for span in recording.spans):
        return picked, recording, "timers around the functions marked as parts"
    if job.backend.arrays == "jax":
        recording = Recording()
        recorder = Recorder(finish, xla_trace.annotation)
        with xla_trace.traced(recording, jax_device(job.request.device).client):
            picked = texts(recorder.span, finish)
        return picked, recording, "jax.profiler, by named scopes"
    recording.notes.append(f"{job.request.subject} marks no parts: what is in a step is not known.")
    return picked, recording, "timers"


def typical(generation: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """The median seconds of prefill and decode: of short generations several, since one says little of them."""
    runs = [generation()]
    while sum(map(sum, runs)) < LEAST_SECONDS and len(runs) < MOST_RUNS:
        runs.append(generation())
    prefill, decode = (statistics.median(one) for one in zip(*runs, strict=True))
    return prefill, decode


def finisher(backend: Backend, device: str) -> Callable[[Any], Any]:
    """Gives back what it is given, once that has been computed."""
    if backend.arrays == "numpy":
        return lambda result: result
    if backend.arrays == "jax":
        import jax

        return lambda result: jax.block_until_ready(result)
    return lambda result: awaited(lambda: result, backend, device)()

"""A text generated step by step, likeliest token after likeliest token, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from ..devices import fetch

GENERATE, PREFILL, STEP, SAMPLING = "generate", "prefill", "step", "sampling"


def generate(
    model: Any, tokens: np.ndarray, count: int, span: Callable[[str], AbstractContextManager[None]], finish: Any
) -> np.ndarray:
    """`count` tokens for each row, int32 [batch, count], within spans: the prefill, then a step for each token more.

    Every span ends when what it computes is there, by `finish(result)`. A model that generates whole texts does.
    """
    with span(GENERATE):
        if hasattr(model, "generate"):
            return np.asarray(model.generate(tokens, count))
        picked = []
        with span(PREFILL):
            logits, cache = model.prefill(tokens)
            finish(logits)
            with span(SAMPLING):
                picked.append(finish(logits.argmax(axis=-1)))
        for _ in range(count - 1):
            with span(STEP):
                logits, cache = model.decode(picked[-1], cache)
                finish(logits)
                with span(SAMPLING):
                    picked.append(finish(logits.argmax(axis=-1)))
    return np.stack([np.asarray(fetch(token), np.int32) for token in picked], axis=1)


def timed(model: Any, tokens: np.ndarray, count: int, finish: Any) -> tuple[float, float]:
    """Seconds of the prefill and of all steps that follow, as without a profile: nothing is waited for in between.

    Of a model that generates whole texts: of a text of one token, and of what the others take longer.
    """
    if hasattr(model, "generate"):
        first, whole = (_seconds(partial(model.generate, tokens, length)) for length in (1, count))
        return first, max(whole - first, 0.0)
    start = time.perf_counter()
    logits, cache = model.prefill(tokens)
    token = finish(logits.argmax(axis=-1))
    filled = time.perf_counter()
    for _ in range(count - 1):
        logits, cache = model.decode(token, cache)
        token = logits.argmax(axis=-1)
    finish(token)
    return filled - start, time.perf_counter() - filled


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def untimed(name: str) -> AbstractContextManager[None]:
    """No span."""
    return nullcontext()

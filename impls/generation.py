"""Text generation with any model that has `prefill` and `decode`: prompts of several lengths, stops, and a stream."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Int32

from .picking import Pick, greedy, sampled

__all__ = ["Pick", "check_count", "generate", "greedy", "padded", "sampled", "stream"]


def padded(prompts: Sequence[Sequence[int]]) -> tuple[Int32[np.ndarray, "batch longest"], Int32[np.ndarray, " batch"]]:
    """Prompts of several lengths as one array that ends where each of them does, and how many ids of a row are before.

    `generate(model, tokens, count, padding=padding)` gives for each row what it would give for that prompt alone.
    ValueError for a prompt without a token, or none at all.
    """
    rows = [np.asarray(prompt) for prompt in prompts]
    for index, row in enumerate(rows):
        if row.ndim != 1 or not row.size or not np.issubdtype(row.dtype, np.integer):
            raise ValueError(f"prompts[{index}] is {row.dtype}{list(row.shape)}, expected token ids, at least one")
    if not rows:
        raise ValueError("prompts is empty, expected at least one prompt")
    longest = max(len(row) for row in rows)
    padding = np.array([longest - len(row) for row in rows], np.int32)
    return np.stack([np.pad(row, (longest - len(row), 0)) for row in rows]).astype(np.int32), padding


def stream(
    model: Any,
    prompt: Int[Any, "batch tokens"],
    count: int,
    *,
    pick: Pick = greedy,
    stop: Collection[int] = (),
    padding: Int[Any, " batch"] | None = None,
) -> Iterator[Int[Any, " batch"]]:
    """Up to `count` tokens for each row, one step after the other, where the model computes them.

    A row that has come to a token in `stop` repeats it, and the stream ends when every row has: looking for them
    fetches each token, which makes an accelerator wait. Errors of arguments come before the first token.
    """
    check_stop(stop, model.config)
    logits, cache = model.prefill(prompt, padding=padding)
    check_count(count, cache.length, model.config)
    tokens = _steps(model, pick(logits), cache, count, pick)
    return _until(tokens, np.array(sorted(stop))) if stop else tokens


def generate(
    model: Any,
    prompt: Int[Any, "batch tokens"],
    count: int,
    *,
    pick: Pick = greedy,
    stop: Collection[int] = (),
    padding: Int[Any, " batch"] | None = None,
) -> Int32[np.ndarray, "batch count"]:
    """What `stream` yields, as one array on the host; shorter than `count` if every row came to a stop.

    A model that generates a text by itself has `generate` too, and `picks(pick)` tells with which pickers it can.
    """
    if hasattr(model, "generate") and model.picks(pick):
        check_stop(stop, model.config)
        return model.generate(prompt, count, pick=pick, stop=stop, padding=padding)
    # All steps are started before the first token is fetched, so that an accelerator need not wait for the host.
    tokens = list(stream(model, prompt, count, pick=pick, stop=stop, padding=padding))
    return np.stack([np.asarray(token, np.int32) for token in tokens], axis=1)


def check_count(count: int, length: int, config: Any) -> None:
    """ValueError unless so many tokens can follow `length` ones in the context of the configuration."""
    # The last token is picked and never fed back, so it takes no position.
    most = config.context - length + 1
    if count < 1:
        raise ValueError(f"count is {count}, expected at least 1")
    if count > most:
        raise ValueError(
            f"count is {count}, expected at most {most}: "
            f"the prompt takes {length} of the {config.context} positions of the context"
        )


def check_stop(stop: Collection[int], config: Any) -> None:
    """ValueError unless every id to stop at is a token."""
    for token in stop:
        if not 0 <= token < config.vocab_size:
            raise ValueError(f"stop holds {token}, expected 0 to {config.vocab_size - 1}: vocab_size - 1")


def _steps(model: Any, token: Any, cache: Any, count: int, pick: Pick) -> Iterator[Any]:
    yield token
    for _ in range(count - 1):
        logits, cache = model.decode(token, cache)
        token = pick(logits)
        yield token


def _until(tokens: Iterator[Any], stop: np.ndarray) -> Iterator[np.ndarray]:
    before: np.ndarray | None = None
    for token in tokens:
        row = np.asarray(token) if before is None else np.where(np.isin(before, stop), before, np.asarray(token))
        yield row
        if np.isin(row, stop).all():
            return
        before = row

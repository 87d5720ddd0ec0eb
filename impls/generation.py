"""Text generation with any model that has `prefill` and `decode`, and the ways to pick a token from its logits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int32

Pick = Callable[[Any], Any]


def greedy(logits: Float[Any, "batch vocab_size"]) -> Int[Any, " batch"]:
    """The likeliest token of each row; the first of several. Computed where the logits are."""
    return logits.argmax(axis=-1)


def sampled(temperature: float, rng: np.random.Generator) -> Pick:
    """A picker that draws from `softmax(logits / temperature)`, by the Gumbel-max trick (arXiv 1611.00712)."""
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected more than 0; pick=greedy is the limit at 0")

    def pick(logits: Float[Any, "batch vocab_size"]) -> Int[np.ndarray, " batch"]:
        wide = np.asarray(logits).astype(np.float64)
        return (wide / temperature + rng.gumbel(size=wide.shape)).argmax(axis=-1)

    return pick


def stream(
    model: Any,
    prompt: Int[Any, "batch tokens"],
    count: int,
    *,
    pick: Pick = greedy,
    stop: Collection[int] = (),
) -> Iterator[Int[Any, " batch"]]:
    """Up to `count` tokens for each row, one step after the other, where the model computes them.

    A row that has come to a token in `stop` repeats it, and the stream ends when every row has: looking for them
    fetches each token, which makes an accelerator wait. Errors of `prompt` and `count` come before the first token.
    """
    if count < 1:
        raise ValueError(f"count is {count}, expected at least 1")
    logits, cache = model.prefill(prompt)
    # The last token is picked and never fed back, so it takes no position.
    if cache.length + count - 1 > model.config.context:
        raise ValueError(
            f"count is {count}, expected at most {model.config.context - cache.length + 1}: "
            f"the prompt takes {cache.length} of the {model.config.context} positions of the context"
        )
    tokens = _steps(model, pick(logits), cache, count, pick)
    return _until(tokens, np.array(sorted(stop))) if stop else tokens


def generate(
    model: Any,
    prompt: Int[Any, "batch tokens"],
    count: int,
    *,
    pick: Pick = greedy,
    stop: Collection[int] = (),
) -> Int32[np.ndarray, "batch count"]:
    """What `stream` yields, as one array on the host; shorter than `count` if every row came to a stop."""
    # All steps are started before the first token is fetched, so that an accelerator need not wait for the host.
    tokens = list(stream(model, prompt, count, pick=pick, stop=stop))
    return np.stack([np.asarray(token, np.int32) for token in tokens], axis=1)


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

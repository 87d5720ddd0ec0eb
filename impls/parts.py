"""Names for the parts of a step, by which `python -m kernelgate profile` tells where its time went."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])

LAYERS, ATTENTION, FEED_FORWARD, HEAD, EMBEDDING = "layers", "attention", "feed-forward", "head", "embedding"
# Parts of a generation, which only a program that generates whole texts need name.
PREFILL, STEP, SAMPLING = "prefill", "step", "sampling"


def part(name: str) -> Callable[[Function], Function]:
    """Mark a function or method as a part of that name; a profile puts a timed one in its place, nothing else does."""

    def marked(function: Function) -> Function:
        function.__part__ = name
        return function

    return marked

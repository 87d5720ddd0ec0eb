"""Ids into a table, looked at before they are used: compiled code would read whatever lies there."""

import numpy as np


def check_ids(name: str, ids: np.ndarray, count: int) -> None:
    """ValueError unless all of `ids`, int32, are from 0 to `count - 1`; it names the first that is not."""
    # As unsigned numbers, negative ones are larger than any count: one comparison finds both.
    if ids.size and ids.view(np.uint32).max() >= count:
        refuse(name, ids, count)


def refuse(name: str, ids: np.ndarray, count: int) -> None:
    """The ValueError for ids of which some are outside."""
    outside = ids[(ids < 0) | (ids >= count)]
    raise ValueError(f"{name} holds id {outside[0]}, expected 0 to {count - 1}")


def check_positions(start: int, seq: int, context: int) -> None:
    """ValueError unless `seq` positions from `start` on lie within the context."""
    if not 0 <= start <= context - seq:
        raise ValueError(f"start is {start}, expected 0 to {context - seq}: {seq} positions of {context} follow")

"""What a model checks before it touches anything, so that a mistake leaves the cache as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from .config import LlamaConfig


class Filled(Protocol):
    """The part of a cache that the checks look at."""

    length: int
    padding: np.ndarray

    @property
    def batch(self) -> int: ...


def check_parameters(params: Mapping[str, Any], config: LlamaConfig, dtypes: tuple[str, ...]) -> str:
    """The one dtype of all parameters; ValueError if it is not among `dtypes`, or a name or a shape is wrong."""
    shapes = config.parameter_shapes()
    for name in sorted(shapes.keys() | params.keys()):
        if name not in params:
            raise ValueError(f"params lacks {name}, expected an array of shape {shapes[name]}")
        if name not in shapes:
            raise ValueError(f"params holds {name}, which a model of this config has not: {config}")
        if params[name].shape != shapes[name]:
            raise ValueError(f"params: {name} has shape {params[name].shape}, expected {shapes[name]}")
    found = sorted({array.dtype.name for array in params.values()})
    if len(found) > 1 or found[0] not in dtypes:
        raise ValueError(f"params are {' and '.join(found)}, expected all to be {' or all '.join(dtypes)}")
    return found[0]


def checked_prompt(tokens: Any, config: LlamaConfig, cache: Filled | None, unread: type | tuple[()] = ()) -> Any:
    """`tokens` as an int32 array [batch, tokens] that fits behind what is cached; ValueError says what does not.

    An array of a type in `unread` lies on a device: it is not fetched, and so its ids are not looked at.
    """
    tokens = _checked_ids("tokens", tokens, ("batch", "tokens"), config, cache, unread)
    used = 0 if cache is None else cache.length
    if tokens.shape[1] > config.context - used:
        raise ValueError(
            f"tokens has {tokens.shape[1]} a row, expected at most {config.context - used}: "
            f"{used} of the {config.context} positions of the context are taken"
        )
    return tokens


def checked_token(token: Any, config: LlamaConfig, cache: Filled, unread: type | tuple[()] = ()) -> Any:
    """`token` as an int32 array [batch], one for each row of the cache; ValueError as in `checked_prompt`."""
    token = _checked_ids("token", token, ("batch",), config, cache, unread)
    if cache.length >= config.context:
        raise ValueError(
            f"cache is full: {cache.length} of {config.context} positions are taken, expected room for one more; "
            "rewind it, or load the model with a config of longer context"
        )
    return token


def checked_padding(padding: Any, tokens: Any, cache: Filled | None) -> np.ndarray:
    """How many of the first ids of each row are none of its prompt, as int32 [batch]; zeros for None.

    The cache keeps them in its first slots: position p of a row lies in slot `padding + p`.
    """
    if padding is None:
        return np.zeros(len(tokens), np.int32) if cache is None else cache.padding
    if cache is not None:
        raise ValueError("padding is given with a cache, expected it with the first tokens only: the cache keeps it")
    given = np.asarray(padding)
    if given.shape != (len(tokens),) or not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"padding is {given.dtype}{list(given.shape)}, expected integers[{len(tokens)}], one a row")
    wrong = given[(given < 0) | (given >= tokens.shape[1])]
    if wrong.size:
        raise ValueError(f"padding holds {wrong[0]}, expected 0 to {tokens.shape[1] - 1}: a row has a token at least")
    return given.astype(np.int32)


def check_rewind(length: int, cache: Filled) -> None:
    """ValueError unless the cache has that many slots to keep, beside its padding."""
    least = int(cache.padding.max())
    if not least <= length <= cache.length:
        raise ValueError(f"length is {length}, expected {least} to {cache.length}, the positions that the cache holds")


def _checked_ids(
    name: str, given: Any, axes: tuple[str, ...], config: LlamaConfig, cache: Filled | None, unread: type | tuple[()]
) -> Any:
    on_device = isinstance(given, unread)
    ids = given if on_device else _array(name, given, axes)
    if ids.ndim != len(axes) or 0 in ids.shape:
        raise ValueError(f"{name} has shape {tuple(ids.shape)}, expected ({', '.join(axes)}) with at least one of each")
    if not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{name} is of {ids.dtype}, expected integers: token ids")
    if cache is not None and len(ids) != cache.batch:
        raise ValueError(f"{name} has {len(ids)} rows, expected {cache.batch}, the batch size of the cache")
    if on_device:
        return ids
    outside = ids[(ids < 0) | (ids >= config.vocab_size)]
    if outside.size:
        raise ValueError(f"{name} holds id {outside[0]}, expected 0 to {config.vocab_size - 1}: vocab_size - 1")
    return ids.astype(np.int32)


def _array(name: str, given: Any, axes: tuple[str, ...]) -> np.ndarray:
    try:
        return np.asarray(given)
    except ValueError as error:
        raise ValueError(
            f"{name} is no array: expected ({', '.join(axes)}), all rows of one length ({error})"
        ) from error

"""Reading what others wrote: JSON whose parts are checked one by one, so that an error names file, place and value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn


class PictureError(ValueError):
    """What cannot be drawn, in one line."""


def read(path: Path) -> Any:
    """The JSON in a file; PictureError where there is none."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise PictureError(f"{path}: not JSON: not UTF-8 text") from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The measurements in a journal, without its header; a last line that a kill cut off is left out."""
    try:
        *lines, _ = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise PictureError(f"{path}: not a journal: not UTF-8 text") from None
    records = [mapping(parse(line, f"{path}:{number}"), f"{path}:{number}") for number, line in enumerate(lines, 1)]
    return [record for record in records if "row" in record]


def parse(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise PictureError(f"{where}: not JSON: nested too deeply") from None
    except ValueError as error:
        raise PictureError(f"{where}: not JSON: {error}") from None


def mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PictureError(f"{where}: {_brief(value)}, expected an object")
    return value


def text(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else _wrong(where, name, value, "text")


def number(record: Mapping[str, Any], name: str, where: str, least: float = -math.inf) -> float:
    """A finite number of at least `least`."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not (least <= value <= 1e300):
        _wrong(where, name, value, f"a number of at least {least:g}" if math.isfinite(least) else "a number")
    return float(value)


def items(record: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = record.get(name)
    return list(value) if isinstance(value, list | tuple) else _wrong(where, name, value, "a list")


def _wrong(where: str, name: str, value: Any, expected: str) -> NoReturn:
    raise PictureError(f"{where}: {name} is {_brief(value)}, expected {expected}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _brief(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."

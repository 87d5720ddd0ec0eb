"""Programs as text, of which only what the implementation decides is left, so that a diff shows nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Enough for the step of a model; whoever wants more asks the compiler.
MOST_CHARACTERS = 200_000

# Where in the sources an instruction comes from: the tables at the top of a module, and the notes that point there.
_TABLES = re.compile(r"^(?:FileNames|FunctionNames|FileLocations|StackFrames)\n(?:\d.*\n)*\n*", re.MULTILINE)
_METADATA = re.compile(r", metadata=\{[^}]*\}")
_LABEL = re.compile(r"\.?L(?:BB|CPI)\w+")


def hlo_text(modules: Iterable[str]) -> str:
    """Optimised HLO as XLA prints it, without source locations."""
    return bounded("\n".join(_METADATA.sub("", _TABLES.sub("", module)) for module in modules))


def loop_text(lines: Iterable[str]) -> str:
    """Instructions of a loop, its labels numbered as they come: the compiler's numbers count the whole module."""
    labels: dict[str, str] = {}
    return "\n".join(
        _LABEL.sub(lambda found: labels.setdefault(found.group(), f"L{len(labels) + 1}"), line) for line in lines
    )


def bounded(text: str) -> str:
    """The text up to MOST_CHARACTERS; its last line says what was left out."""
    if len(text) <= MOST_CHARACTERS:
        return text
    kept = text[:MOST_CHARACTERS].rpartition("\n")[0]
    return f"{kept}\n... {len(text) - len(kept)} more characters"

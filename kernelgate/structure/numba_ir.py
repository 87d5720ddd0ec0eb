"""Which loops LLVM vectorised, from the optimised IR, where it marks those and the remainders that they leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .loops import innermost

_LABEL = re.compile(r'^("[^"]+"|[-\w.$]+):')
_TARGET = re.compile(r'label %("[^"]+"|[-\w.$]+)')
_LOOP = re.compile(r"!llvm\.loop !(\d+)")
_METADATA = re.compile(r"^!(\d+) = (?:distinct )?!\{(.*)\}", re.MULTILINE)
_VECTOR = re.compile(r"<(?:vscale x )?\d+ x (?:float|double|half|bfloat|i\d+)>")
_FLOAT = re.compile(r"= (?:fadd|fsub|fmul|fdiv)\b[a-z ]* (?:float|double) |call [a-z ]*(?:float|double) @")
_LOAD = re.compile(r"= load ")
_CALL = re.compile(r"\bcall [^@%]*(?:%|@(?!llvm\.))")


@dataclass(frozen=True)
class LoopCount:
    """Innermost loops over data: vectorised, and left scalar. What a vectorised one leaves over is in neither."""

    vectorised: int
    scalar: int


def count_loops(ir: str) -> LoopCount:
    """Counts the innermost loops of all functions that compute in floating point, or read memory and call nothing."""
    vector_marks = _marked(ir, "llvm.loop.isvectorized")
    # What unrolling leaves over is no loop of its own either.
    remainder_marks = _marked(ir, "llvm.loop.unroll.disable")
    vectorised = scalar = 0
    for blocks in _functions(ir):
        entry = next(iter(blocks))
        for body in innermost({name: _TARGET.findall(text) for name, text in blocks.items()}, entry):
            text = "\n".join(blocks[name] for name in body)
            marks = set(_LOOP.findall(text))
            if marks & vector_marks:
                vectorised += bool(_VECTOR.search(text))
            elif not marks & remainder_marks and (
                _FLOAT.search(text) or (_LOAD.search(text) and not _CALL.search(text))
            ):
                scalar += 1
    return LoopCount(vectorised, scalar)


def _marked(ir: str, mark: str) -> set[str]:
    """The metadata nodes of loops that bear the mark."""
    nodes = dict(_METADATA.findall(ir))
    marks = {name for name, text in nodes.items() if mark in text}
    return {name for name, text in nodes.items() if marks.intersection(re.findall(r"!(\d+)", text))}


def _functions(ir: str) -> Iterator[dict[str, str]]:
    """The text of each basic block of each function by its label, the entry first."""
    blocks: dict[str, list[str]] | None = None
    for line in ir.splitlines():
        if line.startswith("define "):
            blocks, name = {}, ""
        elif blocks is not None and line == "}":
            yield {label: "\n".join(lines) for label, lines in blocks.items()}
            blocks = None
        elif blocks is not None and (label := _LABEL.match(line)):
            name = label.group(1)
            blocks[name] = []
        elif blocks is not None:
            blocks.setdefault(name, []).append(line)

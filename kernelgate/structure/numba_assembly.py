"""The vector instructions of a hot loop, from the assembly that Numba shows."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .listing import loop_text
from .loops import innermost

MACHINES = ("x86_64", "AMD64")

_LOCAL = re.compile(r"^(\.?L\w+):")
_FUNCTION = re.compile(r'^"?[^.\s#"][^\s"]*"?:')
_JUMP = re.compile(r"^j\w+\s+(\.?L\w+)")
_ENDS = ("ret", "jmp", "ud2")
_ARITHMETIC = r"(?:add|sub|mul|div|min|max|sqrt|rcp14|rsqrt14|fn?m(?:add|sub|addsub|subadd)(?:132|213|231))"
_PACKED = re.compile(rf"^v?{_ARITHMETIC}p[sd]\b|^v?p(?:add|sub|mul[lhu]?|max[su]|min[su])[bwdq]+\b")
_PACKED_FMA = re.compile(r"^vfn?m\w+p[sd]\b")
_DOUBLE = re.compile(rf"^v?{_ARITHMETIC}[sp]d\b|^v?cvt(?:ss2sd|ps2pd)\b")
_WIDTHS = (("%zmm", 512), ("%ymm", 256), ("%xmm", 128))


@dataclass(frozen=True)
class Hot:
    """The innermost loop with the most packed arithmetic: its widest vector in bits, and how much it has of it.

    `double` counts the instructions of all innermost loops that compute in float64, or convert to it. `text`
    is the loop.
    """

    width: int = 0
    packed: int = 0
    packed_fma: int = 0
    double: int = 0
    text: str = field(default="", compare=False)


def readable() -> bool:
    """Whether this machine's assembly is one that `hot_loop` reads."""
    return platform.machine() in MACHINES


def hot_loop(assembly: str) -> Hot:
    """The hot loop of a listing in AT&T syntax for x86-64; all zero where no loop holds packed arithmetic."""
    loops = list(_loops(assembly))
    double = sum(bool(_DOUBLE.match(line)) for loop in loops for line in loop)
    hottest = max(loops, key=lambda loop: _heat(_packed(loop)), default=[])
    packed = _packed(hottest)
    fused = sum(bool(_PACKED_FMA.match(line)) for line in packed)
    return Hot(_width(packed), len(packed), fused, double, loop_text(hottest) if packed else "")


def _packed(loop: list[str]) -> list[str]:
    return [line for line in loop if _PACKED.match(line)]


def _heat(packed: list[str]) -> tuple[int, int]:
    return len(packed), _width(packed)


def _width(lines: list[str]) -> int:
    return max((bits for register, bits in _WIDTHS for line in lines if register in line), default=0)


def _loops(assembly: str) -> Iterator[list[str]]:
    """The instructions of each innermost loop of each function."""
    for blocks, successors in _functions(assembly):
        for body in innermost(successors, next(iter(blocks))):
            yield [line for name, lines in blocks.items() if name in body for line in lines]


def _functions(assembly: str) -> Iterator[tuple[dict[str, list[str]], dict[str, list[str]]]]:
    """The instructions of each basic block of each function, and the blocks that may follow it; the entry first."""
    blocks: dict[str, list[str]] = {}
    successors: dict[str, list[str]] = {}
    here = ""
    falls_through = False

    def begin(name: str) -> None:
        nonlocal here
        if falls_through:
            successors[here].append(name)
        here = name
        blocks[here], successors[here] = [], []

    for line in assembly.splitlines():
        if label := _LOCAL.match(line):
            if blocks:
                begin(label.group(1))
        elif _FUNCTION.match(line):
            if blocks:
                yield blocks, successors
            blocks, successors, falls_through = {}, {}, False
            begin("entry")
        elif blocks and (text := line.strip()) and not text.startswith((".", "#")):
            if not falls_through and blocks[here]:
                begin(f"after {len(blocks)}")
            blocks[here].append(text)
            falls_through = not text.startswith(_ENDS)
            if jump := _JUMP.match(text):
                successors[here].append(jump.group(1))
                if falls_through:
                    begin(f"after {len(blocks)}")
    if blocks:
        yield blocks, successors

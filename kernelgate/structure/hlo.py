"""What an optimised XLA program does, read from its HLO text: its instructions, and how often its loops run them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_ARRAY = re.compile(r"\b(pred|[a-z]+(\d+)\w*)\[([\d,]*)\]")
_NAME = re.compile(r"%([\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_DETAIL = re.compile(r'\bkind=k(\w+)|custom_call_target="([^"]+)"')
_CALLED = re.compile(
    r"\b(?:calls|to_apply|body|true_computation|false_computation|branch_computations)=(\{[^}]*\}|[^\s,]+)"
)
# Of a dot, and of a GPU library's matrix product.
_CONTRACTED = re.compile(r'lhs_contracting_dim(?:s=\{|ensions":\[)([\d,"]*)')

CONTROL = frozenset(("while", "call", "conditional", "async-start"))
# They say where values are and do nothing, or are done by what they call.
IDLE = CONTROL | {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "async-done"}
SLICES = frozenset(("slice", "dynamic-slice", "gather"))
_PLACES = frozenset(
    ("broadcast", "concatenate", "dynamic-update-slice", "iota", "pad", "reshape", "reverse", "scatter")
)
_COPIES = frozenset(("convert", "copy", "copy-start", "copy-done", "custom-call", "fusion", "transpose"))
NO_ARITHMETIC = IDLE | SLICES | _PLACES | _COPIES


@dataclass(frozen=True)
class Instruction:
    """One line of HLO: `name = shape opcode(operands), attributes`."""

    name: str
    shape: str
    opcode: str
    operands: tuple[str, ...]
    attributes: str

    @property
    def arrays(self) -> list[tuple[str, int, float]]:
        """Of each array of the result: dtype, elements, bytes."""
        found = ((dtype, bits, math.prod(map(int, filter(None, dims.split(","))))) for dtype, bits, dims in self._found)
        return [(dtype, size, size * int(bits or 8) / 8) for dtype, bits, size in found]

    @property
    def elements(self) -> int:
        return sum(size for _, size, _ in self.arrays)

    @property
    def bytes(self) -> float:
        return sum(size for _, _, size in self.arrays)

    @property
    def dims(self) -> list[int]:
        """Of the first array."""
        return [int(dim) for dim in self._found[0][2].split(",") if dim]

    @property
    def called(self) -> list[str]:
        return [name for names in _CALLED.findall(self.attributes) for name in _NAME.findall(names)]

    @property
    def trips(self) -> int | None:
        """How often the body of a `while` runs; None if XLA does not know."""
        found = _TRIPS.search(self.attributes)
        return int(found.group(1)) if found else None

    @property
    def label(self) -> str:
        """The opcode, with the kind of a fusion and the target of a custom call."""
        found = _DETAIL.search(self.attributes)
        return f"{self.opcode} {found.group(1) or found.group(2)}" if found else self.opcode

    @property
    def _found(self) -> list[tuple[str, str, str]]:
        return _ARRAY.findall(self.shape)


Computation = Mapping[str, Instruction]


@dataclass(frozen=True)
class Visit:
    """An instruction where the program runs it: `times` in all, inside a fusion or by itself."""

    instruction: Instruction
    computation: Computation
    times: int
    fused: bool


@dataclass(frozen=True)
class Program:
    """The computations of a module by name, the last instruction of each its root."""

    computations: Mapping[str, Computation]
    entry: str

    def visits(self) -> Iterator[Visit]:
        """Every instruction that the program may run, branches not taken too; a loop of unknown length runs once."""
        return self._visits(self.entry, 1, False)

    def _visits(self, name: str, times: int, fused: bool) -> Iterator[Visit]:
        computation = self.computations[name]
        for instruction in computation.values():
            yield Visit(instruction, computation, times, fused)
            if not fused and instruction.opcode in CONTROL | {"fusion"}:
                for called in instruction.called:
                    yield from self._visits(called, times * (instruction.trips or 1), instruction.opcode == "fusion")

    def flops(self, visit: Visit) -> float:
        """Floating-point operations of one run, what a fusion holds not included. Of a convolution: one an element."""
        instruction = visit.instruction
        if contracted := _CONTRACTED.search(instruction.attributes):
            left = visit.computation[instruction.operands[0]].dims
            return 2.0 * instruction.arrays[0][1] * math.prod(left[int(axis)] for axis in _numbers(contracted.group(1)))
        if instruction.opcode in NO_ARITHMETIC:
            return 0.0
        if instruction.opcode == "reduce":
            return float(visit.computation[instruction.operands[0]].elements)
        return float(instruction.elements)

    def bytes(self, visit: Visit) -> float:
        """Bytes that one run reads and writes: operands and results, of those that are only sliced the slices."""
        instruction = visit.instruction
        if visit.fused or instruction.opcode in IDLE:
            return 0.0
        operands = [visit.computation[name] for name in instruction.operands]
        if instruction.opcode == "fusion":
            return self._fusion_bytes(self.computations[instruction.called[0]])
        if instruction.opcode in SLICES:
            return 2 * instruction.bytes
        if instruction.opcode == "dynamic-update-slice":
            return 2 * operands[1].bytes
        return instruction.bytes + sum(operand.bytes for operand in operands)

    def _fusion_bytes(self, fused: Computation) -> float:
        root = list(fused.values())[-1]
        written = fused[root.operands[1]].bytes if root.opcode == "dynamic-update-slice" else root.bytes
        parameters = [instruction for instruction in fused.values() if instruction.opcode == "parameter"]
        return written + sum(_read(parameter, fused) for parameter in parameters)


def parse(text: str) -> Program:
    """The program of an HLO module as XLA prints it; ValueError if it has no entry."""
    computations: dict[str, dict[str, Instruction]] = {}
    entry = ""
    current: dict[str, Instruction] = {}
    for line in text.splitlines():
        if header := _HEADER.match(line):
            current = computations.setdefault(header.group(2), {})
            entry = header.group(2) if header.group(1) else entry
        elif found := _INSTRUCTION.match(line):
            instruction = _instruction(*found.groups())
            current[instruction.name] = instruction
    if not entry:
        raise ValueError(f"expected the text of an HLO module with an ENTRY computation, got {text[:80]!r}")
    return Program(computations, entry)


def _instruction(name: str, rest: str) -> Instruction:
    end = _closing(rest) + 1 if rest.startswith("(") else rest.index(" ")
    shape, rest = rest[:end], rest[end:].lstrip()
    opening = rest.index("(")
    closing = opening + _closing(rest[opening:])
    operands = tuple(_NAME.findall(rest[opening:closing]))
    return Instruction(name, shape, rest[:opening], operands, rest[closing + 1 :])


def _closing(text: str) -> int:
    """Where the parenthesis closes that `text` opens with."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return position
    raise ValueError(f"expected a closing parenthesis in the HLO text {text[:80]!r}")


def _numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)]


def _read(parameter: Instruction, fused: Computation) -> float:
    """The bytes that a fusion reads of one of its parameters."""
    users = [instruction for instruction in fused.values() if parameter.name in instruction.operands]
    if users and all(user.opcode in SLICES and user.operands[0] == parameter.name for user in users):
        return sum(user.bytes for user in users)
    if users and all(user.opcode == "dynamic-update-slice" and user.operands[0] == parameter.name for user in users):
        return 0.0
    return parameter.bytes

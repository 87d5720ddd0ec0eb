"""Which part of a model an operation of a compiled program belongs to, by the `jax.named_scope`s that it came about in.

XLA keeps the names of the scopes in the metadata of each instruction, as `jit(advance)/while/body/layers/head/dot`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import cache

from ..structure import hlo
from .spans import Path

_METADATA = re.compile(r'\bop_name="([^"]*)"')
# A scope's name, where JAX's own are functions `jit(f)`, equations `i,io->o`, and the words that follow.
_SCOPE = re.compile(r"[A-Za-z][\w .\-]*")
_OWN_WORDS = re.compile(
    r"while|body|cond|scan|closed_call|core_call|checkpoint|rematted_computation|pjit|branch_\d+_fun|custom_\w+_call"
)


class Program:
    """One optimised program."""

    def __init__(self, text: str) -> None:
        self._program = hlo.parse(text)
        self._homes = {name: computation for computation in self._program.computations.values() for name in computation}
        self._users: dict[str, list[str]] = defaultdict(list)
        for name, home in self._homes.items():
            for operand in home[name].operands:
                self._users[operand].append(name)
        self.part = cache(self._part)

    def holds(self, names: Iterable[str]) -> int:
        """How many of the operations are instructions of this program."""
        return sum(name in self._homes for name in names)

    def is_control(self, name: str) -> bool:
        """Whether the operation only runs others."""
        return name in self._homes and self._homes[name][name].opcode in hlo.CONTROL

    def named(self, name: str) -> Path:
        """The scopes of an operation, outermost first; of a fusion without any, those of most that it holds."""
        instruction = self._homes[name][name]
        if own := scopes(instruction):
            return own
        return _commonest(
            scopes(inner) for called in instruction.called for inner in self._program.computations[called].values()
        )

    def _part(self, name: str) -> Path:
        """The scopes of an operation, or, as XLA gives products that it rewrites none, of those that its input is from.

        And where that leads nowhere, of those that use its result.
        """
        if name not in self._homes:
            return ()
        home = self._homes[name]
        return (
            self.named(name)
            or self._nearest(name, lambda one: [operand for operand in home[one].operands if operand in home])
            or self._nearest(name, lambda one: self._users.get(one, []))
        )

    def _nearest(self, name: str, neighbours: Callable[[str], Iterable[str]]) -> Path:
        seen, ring = {name}, [name]
        while ring:
            ring = [one for here in ring for one in neighbours(here) if one not in seen]
            seen.update(ring)
            if found := _commonest(map(self.named, ring)):
                return found
        return ()


class Programs:
    """Optimised programs, as pairs of a module's name and its text."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        self._texts = list(texts)

    def find(self, module: str, names: set[str]) -> Program | None:
        """The program of that name that holds most of the operations; None if there is none."""
        found = [Program(text) for name, text in self._texts if name == module]
        return max(found, key=lambda program: program.holds(names), default=None)


def scopes(instruction: hlo.Instruction) -> Path:
    """The names of the scopes in its metadata; the last name there is that of the operation itself."""
    metadata = _METADATA.search(instruction.attributes)
    names = metadata.group(1).split("/")[:-1] if metadata else []
    return tuple(name for name in names if _SCOPE.fullmatch(name) and not _OWN_WORDS.fullmatch(name))


def _commonest(paths: Iterable[Path]) -> Path:
    counts = Counter(path for path in paths if path)
    return counts.most_common(1)[0][0] if counts else ()

"""The innermost loops of a flow graph: what LLVM's IR and an assembly listing have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def innermost(successors: Mapping[str, Iterable[str]], entry: str) -> list[set[str]]:
    """The blocks of each loop that holds no other loop, of the graph that is reached from `entry`.

    A loop is found by its edges back to a block that is still being visited (depth first). It holds all blocks that are
    reached from that header and reach such an edge without passing it again (Aho et al., Compilers, 9.6.6).
    """
    backward, predecessors = _visit(successors, entry)
    latches: dict[str, list[str]] = {}
    for latch, header in backward:
        latches.setdefault(header, []).append(latch)
    bodies = {
        header: _reached(predecessors, ends, {header}) & _reached(successors, [header], set())
        for header, ends in latches.items()
    }
    return [body for header, body in bodies.items() if not (body & bodies.keys()) - {header}]


def _reached(edges: Mapping[str, Iterable[str]], starts: Iterable[str], stops: set[str]) -> set[str]:
    """`stops`, and what is reached from `starts` without passing them."""
    found = set(stops)
    todo = list(starts)
    while todo:
        block = todo.pop()
        if block not in found:
            found.add(block)
            todo.extend(edges.get(block, ()))
    return found


def _visit(successors: Mapping[str, Iterable[str]], entry: str) -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    """The edges that lead back to a block on the way to them, and every reached block's predecessors."""
    backward: list[tuple[str, str]] = []
    predecessors: dict[str, list[str]] = {entry: []}
    path = [(entry, iter(successors[entry]))]
    open_blocks = {entry}
    while path:
        block, rest = path[-1]
        target = next(rest, None)
        if target is None:
            path.pop()
            open_blocks.remove(block)
            continue
        if target in open_blocks:
            backward.append((block, target))
        if target not in predecessors:
            predecessors[target] = []
            open_blocks.add(target)
            path.append((target, iter(successors.get(target, ()))))
        predecessors[target].append(block)
    return backward, predecessors

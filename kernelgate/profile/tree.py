"""Where the time went, as a tree whose children add up to their parent exactly: what nobody claims is `other`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .spans import Path, Recording, Share

OTHER = "other"


@dataclass
class Node:
    """A part with all its calls, in ns; `calls` is None where only their sum is known."""

    name: str
    calls: int | None = 0
    duration: int = 0
    children: list[Node] = field(default_factory=list)

    def child(self, name: str) -> Node:
        found = next((child for child in self.children if child.name == name), None)
        if found is None:
            found = Node(name)
            self.children.append(found)
        return found

    def at(self, path: Path) -> Node:
        node = self
        for name in path:
            node = node.child(name)
        return node

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Every node with its path, parents first."""
        path = (*path, self.name)
        yield path, self
        for child in self.children:
            yield from child.walk(path)


def grow(recording: Recording) -> Node:
    """The tree of a recording, whose one outermost span is the root; parts in the order in which they first came."""
    (root,) = (span for span in recording.spans if len(span.path) == 1)
    tree = Node(root.path[0])
    shares: dict[int, list[Share]] = {}
    for share in recording.shares:
        shares.setdefault(share.within, []).append(share)
    # Parents begin no later than what is in them.
    ordered = sorted(enumerate(recording.spans), key=lambda numbered: (numbered[1].start, len(numbered[1].path)))
    for number, span in ordered:
        _add(tree.at(span.path[1:]), span.duration, 1)
        for share in shares.get(number, ()):
            _add(tree.at((*span.path[1:], *share.path)), share.duration, share.calls)
    _complete(tree)
    return tree


def _add(node: Node, duration: int, calls: int | None) -> None:
    node.duration += duration
    node.calls = None if calls is None or node.calls is None else node.calls + calls


def _complete(node: Node) -> None:
    if not node.children:
        return
    rest = node.duration - sum(child.duration for child in node.children)
    if rest < 0:
        raise ValueError(f"the parts of {node.name} take {-rest} ns longer than it does")
    for child in node.children:
        _complete(child)
    if rest:
        node.children.append(Node(OTHER, None, rest))

"""A profile as a page: the tree as a flame chart from the whole downwards, every step in time, and the table."""

from __future__ import annotations

from pathlib import Path

from ..gate_report import replace
from ..pictures.page import Figure, escape, label, layout, place, render, table
from ..table import duration
from .document import COLUMNS, cells, summary, text
from .generation import STEP
from .run import Profile
from .tree import OTHER, Node

COLOURS = ("two", "three", "four", "five", "six", "seven")
ROW_HEIGHT = 46
TOP = 30  # for Plotly's buttons


def write(path: Path, profile: Profile) -> None:
    """Whole or not at all; PictureError where Plotly is not installed."""
    replace(path, page(profile))


def page(profile: Profile) -> str:
    """The whole page as text."""
    job = profile.job
    figures = {"tree": flame(profile.tree), "steps": steps(profile)}
    title = f"Profile: {job.request.subject}"
    nodes = list(profile.tree.walk())
    rows = [
        (f'<span style="padding-left:{1.2 * (len(path) - 1):.1f}em">{escape(node.name)}</span>', *map(escape, told))
        for path, node in nodes
        for told in [cells(node, profile.tree.duration)]
    ]
    body = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in summary(profile)),
        f"<p>{escape(job.request.prompt)} <em>{escape(text(profile))}</em></p>",
        '<section class="drawn"><h2>Where the time went</h2>',
        '<p class="dim">Below each part what it is made of; a click on a part widens it.</p>',
        place("tree", "The parts of the generation, as wide as they took long"),
        "<h2>Every step</h2>",
        place("steps", "How long each step took, in time"),
        "</section>",
        f'<div class="scroll">{table(("part", *COLUMNS), rows, "plain")}</div>',
    ]
    return render(title, "\n".join(body), figures)


def flame(tree: Node) -> Figure:
    """Every part as wide as its share; a name has one colour wherever it is."""
    nodes = list(tree.walk())
    inner = dict.fromkeys(node.name for path, node in nodes if len(path) > 2)
    colours = {name: f"var(--{COLOURS[number % len(COLOURS)]})" for number, name in enumerate(inner)}
    colours |= {path[-1]: "var(--one)" for path, _ in nodes if len(path) == 2}
    colours |= {tree.name: "var(--control)", OTHER: "var(--grid)"}
    told = [cells(node, tree.duration) for _, node in nodes]
    icicle = {
        "type": "icicle",
        "branchvalues": "total",
        "sort": False,
        "ids": [_id(path) for path, _ in nodes],
        "parents": [_id(path[:-1]) for path, _ in nodes],
        "labels": [label(node.name) for _, node in nodes],
        "values": [node.duration for _, node in nodes],
        "text": [f"{total}, {share}" for _, total, _, share in told],
        "hovertext": [
            label(" > ".join(path))
            + "".join(f"<br>{name} {cell}" for name, cell in zip(COLUMNS, one, strict=True) if cell)
            for (path, _), one in zip(nodes, told, strict=True)
        ],
        "hoverinfo": "text",
        "textinfo": "label+text",
        "textfont": {"color": ["var(--text)" if node.name == OTHER else "var(--surface)" for _, node in nodes]},
        "marker": {
            "colors": [colours[node.name] for _, node in nodes],
            "line": {"color": "var(--surface)", "width": 1},
        },
        "tiling": {"orientation": "v"},
        "pathbar": {"visible": False},
        "leaf": {"opacity": 1},
    }
    words = {"uniformtext": {"minsize": 10, "mode": "hide"}}
    depth = max(len(path) for path, _ in nodes)
    return {
        "data": [icicle],
        "layout": layout(height=ROW_HEIGHT * depth + TOP, margin={"l": 0, "r": 0, "t": TOP, "b": 0}, **words),
    }


def steps(profile: Profile) -> Figure:
    """The time of each step; one that stands out is the machine's doing, a slope that of the growing cache."""
    taken = [span.duration for span in profile.recording.spans if span.path[1:] == (STEP,)]
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": list(range(2, len(taken) + 2)),
        "y": [one / 1e6 for one in taken],
        "marker": {"color": "var(--head)", "size": 6},
        "hovertext": [f"token {number}: {duration(one / 1e9)}" for number, one in enumerate(taken, 2)],
        "hoverinfo": "text",
    }
    axes = {"xaxis": {"title": {"text": "token generated"}}, "yaxis": {"title": {"text": "ms"}, "rangemode": "tozero"}}
    return {"data": [points], "layout": layout(height=240, margin={"l": 60, "r": 20, "t": 10, "b": 45}, **axes)}


def _id(path: tuple[str, ...]) -> str:
    return label("/".join(path))

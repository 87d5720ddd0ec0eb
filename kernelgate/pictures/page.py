"""One HTML file that holds all it needs, Plotly's JavaScript included, and lets nothing from the data become code."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from .records import PictureError

Figure = dict[str, Any]

# What a page may do, enforced by the browser: run the scripts written here and nothing else, fetch nothing.
POLICY = "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{body}
<script type="application/json" id="figures">{figures}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""


def library(name: str) -> Any:
    """A module of the `report` extra; PictureError says how to get it where it is absent."""
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (package, name):
            raise
        raise PictureError(
            f"pictures need {package}, which is not installed: pip install 'kernelgate[report]'"
        ) from None


def render(title: str, body: str, figures: Mapping[str, Figure]) -> str:
    """The page. `body` is HTML whose data went through `escape`; a `div.figure` in it names one of `figures`."""
    plotly = _as_parsed(library("plotly.offline").get_plotlyjs())
    script = _as_parsed(_part("page.js"))
    return PAGE.format(
        policy=POLICY.format(scripts=" ".join(map(_source, (plotly, script)))),
        title=escape(title),
        style=_part("page.css"),
        body=body,
        figures=embed(figures),
        plotly=plotly,
        script=script,
    )


def escape(value: object) -> str:
    """Data as HTML text or as the value of an attribute in quotes."""
    return html.escape(_writable(value))


def label(value: object) -> str:
    """Data as text in a figure, where Plotly would understand tags, entities and its own line breaks."""
    return html.escape(_writable(value), quote=False).replace("\n", " ")


def embed(data: object) -> str:
    """Data as JSON that ends no script element and opens no comment. ValueError where a number is not finite."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def place(name: str, description: str) -> str:
    """Where a figure goes, as HTML."""
    return f'<div class="figure" data-figure="{escape(name)}" role="img" aria-label="{escape(description)}"></div>'


def table(headings: Iterable[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table as HTML; `rows` are cells as HTML, `headings` are text."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def controls(counts: Mapping[str, int], rows: int, what: str) -> str:
    """A line to filter the table below it by text and by the tag of its rows."""
    chips = "".join(
        f'<button class="chip" data-tag="{escape(tag)}" aria-pressed="false">{count} {escape(tag)}</button>'
        for tag, count in counts.items()
    )
    return (
        f'<div class="controls"><input id="search" type="search" placeholder="Filter {escape(what)} by text" '
        f'aria-label="Filter {escape(what)} by text">{chips}<output id="shown">{rows} of {rows}</output></div>'
    )


def opening(name: str, number: int) -> str:
    """The button that opens the detail row `number`."""
    return f'<button class="open" aria-expanded="false" aria-controls="detail-{number}">{escape(name)}</button>'


def change(log_ratio: float) -> str:
    """A log-ratio as a change in per cent; from a factor of two on, as a factor."""
    if abs(log_ratio) < math.log(2):
        return f"{math.expm1(log_ratio):+.1%}"
    return f"{math.exp(log_ratio):.3g} x"


def layout(**parts: Any) -> Figure:
    """A layout in the colours of the page."""
    axis = {"gridcolor": "var(--grid)", "zerolinecolor": "var(--line)", "linecolor": "var(--line)", "automargin": True}
    for name in ("xaxis", "yaxis"):
        parts[name] = axis | parts.get(name, {})
    return {
        "paper_bgcolor": "var(--surface)",
        "plot_bgcolor": "var(--surface)",
        "font": {"color": "var(--text)", "family": "system-ui, sans-serif", "size": 12},
        "hoverlabel": {
            "bgcolor": "var(--raised)",
            "bordercolor": "var(--line)",
            "font": {"color": "var(--text)"},
            "align": "left",
        },
        "margin": {"l": 60, "r": 20, "t": 40, "b": 45},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        **parts,
    }


def _writable(value: object) -> str:
    """Text without what JSON may hold and no file can: half of a pair of UTF-16 surrogates."""
    return str(value).encode("utf-8", "replace").decode()


def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _as_parsed(script: str) -> str:
    """The script as a browser reads it, so that its hash is the one that the browser computes."""
    return script.replace("\r\n", "\n").replace("\r", "\n")


def _source(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"

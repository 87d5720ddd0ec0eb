"""The roofline (Williams, Waterman and Patterson 2009): what each benchmark reaches of what the machine can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .heatmap import told
from .page import Figure, label, layout
from .runs import Result

COLOURS = ("one", "two", "three", "four", "five", "six", "seven")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")
DASHES = ("solid", "dash", "dot", "dashdot")


def figure(results: Sequence[Result], limits: Mapping[str, Mapping[str, float]], dtype: str) -> Figure:
    """Arithmetic intensity against GFLOP/s; `limits` are GB/s by working set and GFLOP/s by dtype."""
    points = placeable(results)
    backends = sorted({_backend(result) for result in points}, key=lambda name: (name != "reference", name))
    intensities = [_intensity(result) for result in points]
    span = (min(intensities, default=0.1) / 2, max(intensities, default=10.0) * 2)
    traces = list(_roofs(limits, dtype, span))
    for number, backend in enumerate(backends):
        traces.append(_scatter(backend, [result for result in points if _backend(result) == backend], number))
    return {
        "data": traces,
        "layout": layout(
            height=520,
            xaxis={"type": "log", "title": {"text": "floating-point operations a byte"}, "dtick": 1},
            yaxis={"type": "log", "title": {"text": "GFLOP/s"}, "dtick": 1},
            hovermode="closest",
            legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top"},
            margin={"l": 60, "r": 20, "t": 20, "b": 45},
        ),
    }


def placeable(results: Sequence[Result]) -> list[Result]:
    """Those with operations, bytes and a rate: a copy has no place on a picture of operations."""
    return [
        result for result in results if all(result.figures.get(name, 0) > 0 for name in ("flops", "bytes", "gflops"))
    ]


def _roofs(limits: Mapping[str, Mapping[str, float]], dtype: str, span: tuple[float, float]) -> Iterator[Figure]:
    peak = limits.get("GFLOP/s", {}).get(dtype)
    for number, (size, rate) in enumerate(limits.get("GB/s", {}).items()):
        if rate <= 0:
            continue
        low, high = span
        corner = peak / rate if peak else high
        xs = sorted({low, min(max(corner, low), high), high})
        ys = [min(rate * x, peak) if peak else rate * x for x in xs]
        name = f"{_size(size)}: {rate:g} GB/s"
        yield _line(label(name), xs, ys, DASHES[number % len(DASHES)])
    if peak:
        yield _line(f"peak: {peak:g} GFLOP/s", list(span), [peak, peak], "longdash")


def _line(name: str, xs: list[float], ys: list[float], dash: str) -> Figure:
    style = {"color": "var(--line)", "width": 1.5, "dash": dash}
    return {"type": "scatter", "mode": "lines", "name": name, "x": xs, "y": ys, "hoverinfo": "name", "line": style}


def _scatter(backend: str, results: Sequence[Result], number: int) -> Figure:
    colour, symbol = COLOURS[number % len(COLOURS)], SYMBOLS[number % len(SYMBOLS)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(backend),
        "x": [_intensity(result) for result in results],
        "y": [result.figures["gflops"] for result in results],
        "hovertext": [told(result) for result in results],
        "hoverinfo": "text",
        "marker": {"color": f"var(--{colour})", "symbol": symbol, "size": 9, "opacity": 0.85},
    }


def _intensity(result: Result) -> float:
    return result.figures["flops"] / result.figures["bytes"]


def _backend(result: Result) -> str:
    return result.names["impl"].partition("_")[0]


def _size(text: str) -> str:
    """A working set as recorded, `2048 KiB`, in a unit that suits it."""
    amount, _, unit = text.partition(" ")
    if unit == "KiB" and amount.isdigit() and int(amount) >= 1024:
        kib = int(amount)
        return f"{kib / 1024:.3g} MiB" if kib < 1 << 20 else f"{kib / (1 << 20):.3g} GiB"
    return text

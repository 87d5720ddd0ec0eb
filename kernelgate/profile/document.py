"""A profile as JSON for programs, as lines for people, and as events for a trace viewer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import threads
from ..gate_report import replace
from ..table import duration
from .run import Profile
from .tree import Node

SCHEMA = 1
COLUMNS = ("calls", "total", "mean", "share")


def document(profile: Profile) -> dict[str, Any]:
    """What `--json` writes. Times are seconds; the children of a part add up to it."""
    job, request = profile.job, profile.job.request
    return {
        "schema": SCHEMA,
        "implementation": request.subject,
        "model": job.model,
        "checkpoint": None if request.checkpoint is None else str(request.checkpoint),
        "dtype": job.dtype,
        "device": request.device,
        "threads": threads.available(),
        "batch_size": request.batch_size,
        "prompt": request.prompt,
        "prompt_tokens": len(job.prompt),
        "count": request.count,
        "text": text(profile),
        "tokens": profile.tokens.tolist(),
        **profile.facts,
        "prefill_tokens_per_second": profile.prefill_rate,
        "decode_tokens_per_second": profile.decode_rate,
        "source": profile.source,
        "slowdown": profile.slowdown,
        "notes": profile.recording.notes,
        "tree": branch(profile.tree, profile.tree.duration),
    }


def branch(node: Node, whole: int) -> dict[str, Any]:
    """A part and its parts; `calls` and `mean_s` are null where only the sum is known."""
    return {
        "name": node.name,
        "calls": node.calls,
        "total_s": node.duration / 1e9,
        "mean_s": node.duration / 1e9 / node.calls if node.calls else None,
        "share": node.duration / whole,
        "children": [branch(child, whole) for child in node.children],
    }


def write(path: Path, profile: Profile) -> None:
    replace(path, json.dumps(document(profile), indent=1, allow_nan=False) + "\n")


def text(profile: Profile) -> str:
    """What the first row generated."""
    return profile.job.family.decode(profile.tokens[0].tolist())


def lines(profile: Profile) -> Iterator[str]:
    """What the command prints."""
    yield " ".join(f"{profile.job.request.prompt} | {text(profile)}".split())
    yield ""
    yield from table(profile.tree)
    yield ""
    yield from summary(profile)


def summary(profile: Profile) -> Iterator[str]:
    """All but the text and the tree, in sentences."""
    job, request, facts = profile.job, profile.job.request, profile.facts
    weights = "random weights" if request.checkpoint is None else f"weights of {request.checkpoint}"
    yield (
        f"{request.subject} {job.model} {job.dtype} on {request.device}, {threads.available()} threads, {weights}: "
        f"batch size {request.batch_size}, {len(job.prompt)} tokens of prompt, {request.count} generated."
    )
    decode = "no step" if profile.decode_rate is None else f"{profile.decode_rate:,.0f} tokens/s"
    yield (
        f"Prefill {profile.prefill_rate:,.0f} tokens/s, decode {decode}, measured without a profile; "
        f"with it all took {profile.slowdown:.2f} times as long."
    )
    first = f"first generated in {duration(facts['first_call_s'])}{_compiled(facts)}"
    yield (
        f"Peak memory {facts['peak_memory_bytes'] / 1e6:,.0f} MB, beside the parameters as they were read. "
        f"Not in the tree: loaded in {duration(facts['load_s'])}, {first}."
    )
    yield f"Times by {profile.source}."
    yield from profile.recording.notes


def table(tree: Node) -> Iterator[str]:
    """The tree with a row for each part."""
    nodes = list(tree.walk())
    width = max(len(node.name) + 2 * len(path) for path, node in nodes)
    yield f"{'part':<{width}}" + "".join(f"{heading:>10}" for heading in COLUMNS)
    for path, node in nodes:
        name = f"{'  ' * (len(path) - 1)}{node.name}"
        yield f"{name:<{width}}" + "".join(f"{cell:>10}" for cell in cells(node, tree.duration))


def cells(node: Node, whole: int) -> tuple[str, str, str, str]:
    """Calls, total, mean and share as text."""
    seconds = node.duration / 1e9
    calls = "" if node.calls is None else str(node.calls)
    mean = duration(seconds / node.calls) if node.calls else ""
    return calls, duration(seconds), mean, f"{node.duration / whole:.1%}"


def _compiled(facts: dict[str, Any]) -> str:
    count = facts.get("compilations", 0)
    if not count:
        return ""
    return f", of which {duration(facts.get('compile_s', 0.0))} compiling {count} programs"

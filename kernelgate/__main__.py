"""`python -m kernelgate`: what is done with the files of runs that are over, where a model's time goes, and peers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .peers import PeersError
from .peers import command as peers_command

# What needs NumPy is imported by the command that it is for: `profile` pins the threads first.
from .pictures.records import PictureError, read, read_lines
from .profile import ProfileError, command


class CommandError(ValueError):
    """What a command was given and cannot use, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 2 after one line if it could not, 1 if `merge` found a failed row, else 0."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (PictureError, ProfileError, PeersError, CommandError, OSError) as error:
        print(f"kernelgate {options.command}: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kernelgate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser(
        "report",
        help="draw stored runs: speed-ups, roofline, history",
        description="Which implementation wins where, how close to the limit, and how it moved over the stored runs.",
    )
    report.add_argument("files", type=Path, nargs="+", metavar="FILE", help="JSON of pytest-benchmark")
    report.add_argument("-o", "--output", type=Path, default=Path("report.html"), help="default: %(default)s")
    report.set_defaults(run=_report)
    gate = commands.add_parser(
        "gate",
        help="draw a gate.json, as of merged shards",
        description="What the gate found, as a forest plot whose rows open.",
    )
    gate.add_argument("document", type=Path, metavar="gate.json")
    gate.add_argument(
        "--journal", type=Path, nargs="+", default=[], metavar="FILE", help="its journals: adds every round to the rows"
    )
    gate.add_argument("-o", "--output", type=Path, default=Path("gate.html"), help="default: %(default)s")
    gate.set_defaults(run=_gate)
    merged = commands.add_parser(
        "merge",
        help="decide for a suite from its shards' reports",
        description="The reports of a suite's shards as one, and the decision for the whole.",
    )
    merged.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="the --gate-report of a shard")
    merged.add_argument("-o", "--output", type=Path, default=Path("gate"), help="default: %(default)s")
    merged.set_defaults(run=_merge)
    profiled = commands.add_parser(
        "profile", help="generate a text and say where the time went", description=command.__doc__
    )
    command.add(profiled)
    profiled.set_defaults(run=command.run)
    peers = commands.add_parser(
        "peers", help="set models side by side with llama.cpp and transformers", description=peers_command.__doc__
    )
    peers_command.add(peers)
    peers.set_defaults(run=peers_command.run)
    return parser


def _report(options: argparse.Namespace) -> int:
    from .pictures import report_html

    report_html.write(options.output, options.files)
    print(options.output)
    return 0


def _gate(options: argparse.Namespace) -> int:
    from .pictures import gate_html

    lines = [line for path in options.journal for line in read_lines(path)]
    gate_html.write(options.output, read(options.document), lines, str(options.document))
    print(options.output)
    return 0


def _merge(options: argparse.Namespace) -> int:
    from . import merge

    try:
        status = merge.main(options.folders, options.output)
    except merge.MergeError as error:
        raise CommandError(str(error)) from None
    print(options.output)
    return status


if __name__ == "__main__":
    sys.exit(main())

"""`python -m kernelgate`: what is done with the files of runs that are over."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import merge
from .merge import MergeError
from .pictures import gate_html, report_html
from .pictures.records import PictureError, read, read_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 2 after one line if it could not, 1 if `merge` found a failed row, else 0."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (PictureError, MergeError, OSError) as error:
        print(f"kernelgate {options.command}: {error}", file=sys.stderr)
        return 2
    print(options.output)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kernelgate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser(
        "report", help="draw stored runs: speed-ups, roofline, history", description=report_html.__doc__
    )
    report.add_argument("files", type=Path, nargs="+", metavar="FILE", help="JSON of pytest-benchmark")
    report.add_argument("-o", "--output", type=Path, default=Path("report.html"), help="default: %(default)s")
    report.set_defaults(run=_report)
    gate = commands.add_parser("gate", help="draw a gate.json, as of merged shards", description=gate_html.__doc__)
    gate.add_argument("document", type=Path, metavar="gate.json")
    gate.add_argument(
        "--journal", type=Path, nargs="+", default=[], metavar="FILE", help="its journals: adds every round to the rows"
    )
    gate.add_argument("-o", "--output", type=Path, default=Path("gate.html"), help="default: %(default)s")
    gate.set_defaults(run=_gate)
    merged = commands.add_parser("merge", help="decide for a suite from its shards' reports", description=merge.__doc__)
    merged.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="the --gate-report of a shard")
    merged.add_argument("-o", "--output", type=Path, default=Path("gate"), help="default: %(default)s")
    merged.set_defaults(run=_merge)
    return parser


def _report(options: argparse.Namespace) -> int:
    report_html.write(options.output, options.files)
    return 0


def _gate(options: argparse.Namespace) -> int:
    lines = [line for path in options.journal for line in read_lines(path)]
    gate_html.write(options.output, read(options.document), lines, str(options.document))
    return 0


def _merge(options: argparse.Namespace) -> int:
    return merge.main(options.folders, options.output)


if __name__ == "__main__":
    sys.exit(main())

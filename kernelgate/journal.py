"""What a gate run has measured, on disk as it comes: nothing is lost to a kill, and `--resume` goes on from here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class JournalError(ValueError):
    """A journal that belongs to another comparison."""


class Journal:
    """A file of JSON lines: first what was compared with what, then a line for each row of each process."""

    def __init__(self, path: Path, comparison: dict[str, Any], resume: bool) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume:
            self.lines = list(self._read(comparison))
        else:
            path.write_text("", encoding="utf-8")
        if path.stat().st_size == 0:
            self._write({"comparison": comparison})

    def add(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        self._write(line)

    def rows(self, stage: str, process: int) -> set[str]:
        """The rows that this process of this stage has measured."""
        lines = (line for line in self.lines if (line["stage"], line["process"]) == (stage, process))
        return {line["row"] for line in lines if "row" in line}

    def _write(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, comparison: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            raise JournalError(f"--resume: there is no journal {self.path}; run without it first")
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # a kill in the middle of a line: that row is measured again
            with self.path.open("r+", encoding="utf-8") as file:
                file.truncate(len(whole.encode()))
        header, *lines = (json.loads(line) for line in whole.splitlines()) if whole else ({"comparison": comparison},)
        if header["comparison"] != comparison:
            raise JournalError(
                f"--resume: {self.path} compares {header['comparison']}, this run {comparison}; run without --resume"
            )
        yield from lines

"""The gate's own proof: how often it is wrong on identical code, and what it finds of regressions that were planted.

`tox run -e gate-selftest` takes 20 to 40 minutes; `-- --runs 2 --repeats 1` is a taste. It works on a copy of the house
in a repository of its own, runs what a user would type, and holds pytest-benchmark's own
`--benchmark-compare-fail=median:5%` beside it on the same code.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gate_plants import STRUCTURAL, Plant, Unused, spin

ROOT = Path(__file__).parent.parent
# The share of rows in which a slowdown of that size must be found.
SIZES = {0.02: 0.0, 0.03: 0.8, 0.05: 0.95, 0.10: 1.0}
# One implementation a backend, each with four cases in float32.
SLOWED = ("rmsnorm/numpy_vecdot.py", "softmax/numba_rows.py", "swiglu/jax_fused.py")
# What the gate takes on a pull request; before a push, with `--changed` alone, it answers sooner and finds less.
DECIDING = "10m"
TRUNK = "tests/test_speed.py"
# In the house's own model each head of keys has one of queries, and its text is long, so a compilation for each token
# would take minutes.
GROUPED = """

from dataclasses import replace

FAMILY.models["grouped"] = replace(FAMILY.models["stories15M"], layers=2, kv_heads=2)
OPERATIONS = FAMILY.operations("grouped", count=10)
"""


@dataclass(frozen=True)
class Run:
    """A gate run: verdict and sentence by row, what it printed, and how many of its controls alarmed."""

    verdicts: dict[str, str]
    reasons: dict[str, str]
    printed: str
    control_alarms: int
    seconds: float


@dataclass(frozen=True)
class Found:
    """What became of one planted row: whether the gate failed it, and whether it said what changed."""

    plant: str
    row: str
    found: bool
    named: bool
    reason: str
    seconds: float


class House:
    """A copy of the house, committed to a repository of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "impls", root / "impls", ignore=shutil.ignore_patterns("__pycache__"))
        with (root / "impls" / "llama" / "spec.py").open("a") as file:
            file.write(GROUPED)
        (root / "tests").mkdir()
        for name in (TRUNK, "conftest.py", "pyproject.toml", "README.md", ".gitignore"):
            shutil.copy(ROOT / name, root / name)
        for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "base")):
            identity = ("-c", "user.name=selftest", "-c", "user.email=selftest@localhost", "-c", "commit.gpgsign=false")
            subprocess.run(["git", *identity, *arguments], cwd=root, check=True)

    @contextlib.contextmanager
    def planted(self, plants: Iterable[Plant | Unused]) -> Iterator[None]:
        """The house with these regressions, and without them again."""
        try:
            for plant in plants:
                plant.apply(self.root / "impls")
            yield
        finally:
            subprocess.run(["git", "checkout", "-q", "."], cwd=self.root, check=True)

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        chosen = [] if any(argument.startswith(TRUNK) for argument in arguments) else [TRUNK]
        command = [sys.executable, "-m", "pytest", *chosen, "-q", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def gate(self, *arguments: str) -> Run:
        """`pytest --against main`. RuntimeError if it came to no report."""
        report = self.root.parent / "report"
        shutil.rmtree(report, ignore_errors=True)
        start = time.monotonic()
        run = self.pytest("--against", "main", "--gate-report", str(report), *arguments)
        if not (report / "gate.json").exists():
            raise RuntimeError(f"the gate gave no report:\n{run.stdout[-3000:]}{run.stderr[-1000:]}")
        document = json.loads((report / "gate.json").read_text())
        rows = document["rows"]
        return Run(
            {row["row"]: row["verdict"] for row in rows},
            {row["row"]: row["reason"] for row in rows},
            run.stdout,
            document["control_alarms"],
            time.monotonic() - start,
        )

    def judged(self, plant: Plant) -> Found:
        """Whether the gate finds a structural plant in the row that is about it, and says what changed."""
        with self.planted([plant]):
            # What is exact needs no clock, which is soon done with such a margin.
            run = self.gate("--changed", "--budget", DECIDING, "--margin", "99%", plant.test)
        verdict, reason = run.verdicts.get(plant.gate_row, "not measured"), run.reasons.get(plant.gate_row, "")
        # The reason has to reach who reads the terminal, not the report alone.
        named = any(re.search(plant.told, part) and part in run.printed for part in reason.split("; "))
        return Found(plant.name, plant.gate_row, verdict == "FAIL", named, reason or verdict, run.seconds)

    def stock(self, plants: Sequence[Plant], *chosen: str) -> bool:
        """Whether `--benchmark-compare-fail=median:5%` is red on these rows, against a run stored just before."""
        shutil.rmtree(self.root / ".benchmarks", ignore_errors=True)
        self.pytest("--benchmark-only", "--benchmark-save=base", *chosen)
        with self.planted(plants):
            run = self.pytest("--benchmark-only", "--benchmark-compare", "--benchmark-compare-fail=median:5%", *chosen)
        return "Performance has regressed" in run.stdout + run.stderr


def slowed(size: float) -> list[Plant]:
    return [spin(file, size) for file in SLOWED]


def expression() -> str:
    pairs = (file.removesuffix(".py").split("/") for file in SLOWED)
    return "f32 and (" + " or ".join(f"({kernel} and {impl})" for kernel, impl in pairs) + ")"


def busy(stop: float) -> None:
    while time.monotonic() < stop:
        sum(range(10000))


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that take what processor time they get, for an hour at most."""
    started = [multiprocessing.Process(target=busy, args=(time.monotonic() + 3600,)) for _ in range(count)]
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.terminate()
            process.join()


def identical(house: House, runs: int, chosen: str, budget: str) -> Iterator[dict[str, Any]]:
    """Gate runs of unchanged code in files that are not the base's, every other one beside two busy neighbours."""
    for number in range(runs):
        with house.planted([Unused()]), neighbours(2 * (number % 2)):
            run = house.gate("--budget", budget, *(("-k", chosen) if chosen else ()))
        counts = Counter(run.verdicts.values())
        yield {
            "noisy": bool(number % 2),
            "seconds": run.seconds,
            "verdicts": counts,
            "control_alarms": run.control_alarms,
        }


def slowdowns(house: House, repeats: int) -> Iterator[dict[str, Any]]:
    """Gate runs of code with a slowdown of each size in all backends, and the stock way beside them."""
    for size in SIZES:
        for _ in range(repeats):
            with house.planted(slowed(size)):
                run = house.gate("--changed", "--budget", DECIDING, "-k", expression())
            found = {row: verdict == "FAIL" for row, verdict in run.verdicts.items()}
            red = house.stock(slowed(size), "-k", expression())
            yield {"size": size, "seconds": run.seconds, "found": found, "stock_red": red}


def structural(house: House, plants: Sequence[Plant]) -> Iterator[dict[str, Any]]:
    """A gate run of each structural plant, and the stock way beside it."""
    for plant in plants:
        yield asdict(house.judged(plant)) | {"stock_red": house.stock([plant], plant.test)}


def told(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """All of them, each printed as it comes."""
    kept = []
    for result in results:
        print(json.dumps(result), flush=True)
        kept.append(result)
    return kept


def main() -> None:
    from gate_results import faults, table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4, help="gate runs of identical code, half of them noisy")
    parser.add_argument("--repeats", type=int, default=2, help="gate runs of each planted size")
    parser.add_argument("-k", dest="chosen", default="kernel", help="rows of the identical runs (default: all kernels)")
    parser.add_argument("--budget", default="5m", help="time of each of them (default: 5m)")
    parser.add_argument("--plants", default="", help="structural plants whose name holds this (default: all)")
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON there")
    options = parser.parse_args()
    plants = [plant for plant in STRUCTURAL if options.plants in plant.name]
    with tempfile.TemporaryDirectory(prefix="kernelgate-selftest-") as folder:
        house = House(Path(folder) / "house")
        results = {
            "structural": told(structural(house, plants)),
            "identical": told(identical(house, options.runs, options.chosen, options.budget)),
            "slowdowns": told(slowdowns(house, options.repeats)),
            "stock_identical": [house.stock([], "-k", expression()) for _ in range(options.repeats)],
        }
    wrong = faults(results, SIZES)
    print("\n".join(table(results)))
    if options.output:
        temporary = options.output.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(results | {"faults": wrong}, indent=1) + "\n")
        temporary.replace(options.output)
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()

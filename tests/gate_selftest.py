"""The gate's own proof: how often it is wrong on identical code, and what it finds of slowdowns that were planted.

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
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZES = (0.02, 0.03, 0.05, 0.10)
# One implementation a backend, each with four cases in float32.
PLANTED = {"rmsnorm": "numpy_vecdot", "softmax": "numba_rows", "swiglu": "jax_fused"}
SPIN = """

_inner = {name}


def {name}(*arguments):
    import time

    start = time.perf_counter()
    result = _inner(*arguments)
    if hasattr(result, "block_until_ready"):
        result.block_until_ready()
    end = start + (time.perf_counter() - start) * {factor}
    while time.perf_counter() < end:
        pass
    return result
"""


class House:
    """A copy of the house, committed to a repository of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "impls", root / "impls", ignore=ignored)
        (root / "tests").mkdir()
        for name in ("tests/test_speed.py", "conftest.py", "pyproject.toml", "README.md", ".gitignore"):
            shutil.copy(ROOT / name, root / name)
        for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "base")):
            identity = ("-c", "user.name=selftest", "-c", "user.email=selftest@localhost")
            subprocess.run(["git", *identity, *arguments], cwd=root, check=True)

    def plant(self, size: float) -> None:
        """Make one implementation of each backend take `size` longer."""
        for kernel, implementation in PLANTED.items():
            with (self.root / "impls" / kernel / f"{implementation}.py").open("a") as file:
                file.write(SPIN.format(name=kernel, factor=1 + size))

    def clean(self) -> None:
        subprocess.run(["git", "checkout", "-q", "."], cwd=self.root, check=True)

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "tests/test_speed.py", "-q", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def gate(self, *arguments: str) -> dict[str, str]:
        """Verdicts by row of `pytest --against main`."""
        report = self.root.parent / "report"
        shutil.rmtree(report, ignore_errors=True)
        run = self.pytest("--against", "main", "--gate-report", str(report), *arguments)
        if not (report / "gate.json").exists():
            raise SystemExit(f"the gate gave no report:\n{run.stdout[-3000:]}{run.stderr[-1000:]}")
        document = json.loads((report / "gate.json").read_text())
        return {row["row"]: row["verdict"] for row in document["rows"]}

    def stock(self, size: float) -> bool:
        """Whether `--benchmark-compare-fail=median:5%` is red on the planted rows, against a run stored just before."""
        chosen = ("--benchmark-only", "-k", expression())
        self.clean()
        self.pytest(*chosen, "--benchmark-save=base")
        if size:
            self.plant(size)
        run = self.pytest(*chosen, "--benchmark-compare", "--benchmark-compare-fail=median:5%")
        self.clean()
        shutil.rmtree(self.root / ".benchmarks")
        return "Performance has regressed" in run.stdout + run.stderr


def expression() -> str:
    return "f32 and (" + " or ".join(f"({kernel} and {impl})" for kernel, impl in PLANTED.items()) + ")"


def busy(stop: float) -> None:
    while time.monotonic() < stop:
        sum(range(10000))


@contextlib.contextmanager
def neighbours(count: int):
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


def identical(house: House, runs: int, chosen: str) -> list[dict]:
    """Gate runs of unchanged code, every other one beside two busy neighbours."""
    results = []
    for number in range(runs):
        start = time.monotonic()
        with neighbours(2 * (number % 2)):
            verdicts = house.gate(*(("-k", chosen) if chosen else ()))
        results.append(
            {"noisy": bool(number % 2), "seconds": time.monotonic() - start, "verdicts": Counter(verdicts.values())}
        )
        print(f"identical code, run {number + 1} of {runs}: {results[-1]}", flush=True)
    return results


def planted(house: House, repeats: int) -> list[dict]:
    """Gate runs of code with a slowdown of each size in all backends, and the stock way beside them."""
    results = []
    for size in SIZES:
        for number in range(repeats):
            house.plant(size)
            start = time.monotonic()
            verdicts = house.gate("--changed", "-k", expression())
            seconds = time.monotonic() - start
            house.clean()
            found = {row: verdict == "FAIL" for row, verdict in verdicts.items()}
            results.append({"size": size, "seconds": seconds, "found": found, "stock_red": house.stock(size)})
            print(
                f"planted {size:.0%}, run {number + 1} of {repeats}: {sum(found.values())} of {len(found)}", flush=True
            )
    return results


def table(nulls: list[dict], plants: list[dict], stock_nulls: list[bool]) -> list[str]:
    lines = ["what                         gate                          stock median:5%      a gate run"]
    for noisy in (False, True):
        runs = [run for run in nulls if run["noisy"] is noisy]
        if runs:
            red = sum("FAIL" in run["verdicts"] for run in runs)
            rows = sum(sum(run["verdicts"].values()) for run in runs)
            seconds = sum(run["seconds"] for run in runs) / len(runs)
            stock = f"{sum(stock_nulls)} of {len(stock_nulls)} runs red" if not noisy else ""
            what = f"identical, {'two busy neighbours' if noisy else 'quiet'}"
            gate = f"{red} of {len(runs)} runs red ({rows} rows)"
            lines.append(f"{what:<29}{gate:<30}{stock:<21}{seconds:.0f} s")
    for size in SIZES:
        runs = [run for run in plants if run["size"] == size]
        found = [hit for run in runs for hit in run["found"].values()]
        stock = sum(run["stock_red"] for run in runs)
        seconds = sum(run["seconds"] for run in runs) / len(runs)
        gate = f"{sum(found)} of {len(found)} rows found"
        lines.append(f"planted {size:<21.0%}{gate:<30}{f'{stock} of {len(runs)} runs red':<21}{seconds:.0f} s")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4, help="gate runs of identical code, half of them noisy")
    parser.add_argument("--repeats", type=int, default=2, help="gate runs of each planted size")
    parser.add_argument("-k", dest="chosen", default="kernel", help="rows of the identical runs (default: all kernels)")
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kernelgate-selftest-") as folder:
        house = House(Path(folder) / "house")
        nulls = identical(house, options.runs, options.chosen)
        plants = planted(house, options.repeats)
        stock_nulls = [house.stock(0.0) for _ in range(options.repeats)]
    print("\n".join(table(nulls, plants, stock_nulls)))
    if options.output:
        text = json.dumps({"identical": nulls, "planted": plants, "stock_identical": stock_nulls}, indent=1)
        temporary = options.output.with_suffix(f".{os.getpid()}")
        temporary.write_text(text + "\n")
        temporary.replace(options.output)
    if any("FAIL" in run["verdicts"] for run in nulls):
        raise SystemExit("the gate failed identical code")


if __name__ == "__main__":
    main()

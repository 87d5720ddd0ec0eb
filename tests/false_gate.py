"""A gate whose processes make up what they measure, so that the truth is known."""

import math
import zlib

import numpy as np

from kernelgate import gate
from kernelgate.gate import Gate
from kernelgate.journal import Journal
from kernelgate.pairing import Row


def row(name):
    operation = "decode" if name.startswith("model") else "kernel"
    return Row(name, operation, "numpy_plain", "case", "f32", "cpu")


class FalseGate(Gate):
    """A gate whose processes draw their ratios: `slowdowns` of head, `drifts` of control, noise between processes."""

    def __init__(
        self,
        folder,
        slowdowns,
        *,
        drifts=None,
        noise=0.01,
        seed=0,
        resume=False,
        dies=(),
        killed_after=None,
        structure=None,
    ):
        self.rows = {str(row(name)): row(name) for name in slowdowns}
        super().__init__(
            folder=folder,
            packages={},
            margins=dict.fromkeys(self.rows, 0.01),
            journal=Journal(folder / "journal.jsonl", {"rows": sorted(self.rows)}, resume),
            threads=1,
            budget=math.inf,
        )
        self.slowdowns, self.drifts, self.noise, self.seed = slowdowns, drifts or {}, noise, seed
        # Of rows that are noisier than the others.
        self.noises = {}
        self.dies, self.killed_after, self.measured = dies, killed_after, []
        self.found = {row: structure for row in self.rows if structure}

    def _process(self, stage, process, rows, until):
        for one in rows:
            if gate.time.monotonic() >= until:
                return
            if len(self.measured) == self.killed_after:
                raise KeyboardInterrupt
            self.measured.append((stage, process, one.kernel))
            if one.kernel in self.dies:
                yield {"row": str(one), "problem": "head: ValueError: no"}
                continue
            rng = np.random.default_rng([self.seed, stage == "confirm", process, zlib.crc32(one.kernel.encode())])
            noise = self.noises.get(one.kernel, self.noise)
            head = math.log1p(self.slowdowns[one.kernel]) + rng.normal(0, noise)
            control = self.drifts.get(one.kernel, 0.0) + rng.normal(0, noise)
            yield {
                "row": str(one),
                "base_seconds": 1e-3,
                "head": [head] * 5,
                "control": [control] * 5,
            }

    def verdicts(self):
        return {self.rows[name].kernel: outcome.verdict for name, outcome in self.run(self.rows.values()).items()}

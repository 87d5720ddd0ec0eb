"""One arm of the gate in a process of its own, for `--against-env`: it measures a block whenever it is told to.

Run as `python -m kernelgate.arm base`: a job comes in as one line of JSON, then a line for each thing to do, and a line
of JSON goes out for each. Who starts it, starts one for each arm, and so keeps their blocks neighbours in time.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

from .pairing import WARM_SECONDS, Job, Row, arms, draw, own_channel, prepare


class Arm:
    """The copies of one arm; `do` takes what is asked for and gives the answer."""

    def __init__(self, name: str, job: Job) -> None:
        self.name, self.job = name, job
        self.order = random.Random(f"{job.seed} {name}")
        self.subjects: list[Any] = []
        self.calls: list[Callable[[], Any]] = []
        self.placed: tuple[Any, ...] = ()

    def do(self, asked: dict[str, Any]) -> dict[str, Any]:
        """`bind` a row, say how many calls make a `block`, or time one of so many `calls`."""
        match asked:
            case {"bind": row}:
                return self._bind(Row(**row))
            case {"warm": _}:
                return {"calls": self._warm()}
            case {"calls": calls}:
                return {"seconds": self._block(calls)}
        raise ValueError(f"asked for {asked!r}, expected bind, warm or calls")

    def _bind(self, row: Row) -> dict[str, Any]:
        inputs = draw(row, self.job)
        self.subjects = arms(row, self.job.packages)[self.name]
        try:
            self.placed = self.subjects[0].place(inputs)
            self.calls = [subject.bind_prepared(subject.prepared_to_time(self.placed)) for subject in self.subjects]
            for call in self.calls:
                call()
        except Exception as error:  # whatever somebody's code at some commit raises, it is that row's result
            return {"problem": f"{self.name}: {type(error).__name__}: {error}"}
        return {}

    def _warm(self) -> int:
        from .timing import calls_in_a_block, warm_up

        for call in self.calls:
            warm_up(call, WARM_SECONDS)
        return calls_in_a_block(self.calls[0])

    def _block(self, calls: int) -> float:
        from .timing import seconds, settle

        call = self.order.choice(self.calls)
        settle(call, calls)
        return seconds(call, calls) / calls


def main() -> None:
    channel = own_channel()
    job = Job.from_json(sys.stdin.readline())
    prepare(job)
    arm = Arm(sys.argv[1], job)
    for line in sys.stdin:
        print(json.dumps(arm.do(json.loads(line))), file=channel, flush=True)


if __name__ == "__main__":
    main()

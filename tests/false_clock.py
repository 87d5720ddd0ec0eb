"""A clock for tests of what measures: no test may depend on how quick a machine is."""


class FalseClock:
    """A clock that only calls and sleeps move."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    monotonic = perf_counter

    def sleep(self, seconds):
        self.now += seconds

    def call(self, *durations):
        """A function that takes the given seconds in turn, the last ones for ever."""
        calls = iter(durations)
        last = durations[-1]

        def called():
            self.now += next(calls, last)

        return called

"""The pytest wiring: options, parametrisation, fixtures and hooks. Thin; NumPy is imported only after the pinning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from . import gate_options, jax_programs, numba_cache, threads
from .stored import StoredRuns, accelerators

if TYPE_CHECKING:
    from .gate_plugin import GatePlugin
    from .rows import Selection
    from .subject import Subject

SELECTION: pytest.StashKey[Selection] = pytest.StashKey()
GATE = "kernelgate-gate"
STORED = "kernelgate-stored"
AXES = ("kernel", "impl", "case", "dtype", "device")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kernelgate")
    group.addoption(
        "--backend",
        type=_names,
        default=[],
        metavar="NAMES",
        help="backends to run, as numpy,jax (default: all installed)",
    )
    group.addoption("--device", type=_names, default=["cpu"], metavar="NAMES", help="devices to run on, of cpu,gpu,tpu")
    group.addoption("--threads", type=int, metavar="N", help="threads for every library (default: one a processor)")
    group.addoption("--heavy", action="store_true", help="time the large cases as well")
    gate_options.add(parser)
    parser.addini("kernels", "the package whose folders hold the kernels", default="impls")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    try:
        threads.pin(early_config.known_args_namespace.threads)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "subjects(*kernels, operation=None, backends=()): the implementations to run a test for, by kernel and backend "
        "(default: all) and operation (default: the one that the test is named after)",
    )
    if not hasattr(config, "workerinput"):  # which an xdist worker has: it reports to a process that is not one
        config.pluginmanager.register(StoredRuns(config), STORED)
    if config.getoption("against"):
        from .gate_plugin import GatePlugin

        config.pluginmanager.register(GatePlugin(config), GATE)


def pytest_sessionstart(session: pytest.Session) -> None:
    from .devices import UnavailableError
    from .kernel import KernelError
    from .rows import Selection

    config = session.config
    package = config.getini("kernels")
    try:
        config.stash[SELECTION] = Selection.of(
            package, config.getoption("backend"), config.getoption("device"), config.getoption("heavy")
        )
    except (UnavailableError, KernelError) as error:
        raise pytest.UsageError(str(error)) from None
    numba_cache.use()
    if config.getoption("benchmark_only") and not config.getoption("against"):
        jax_programs.keep()


def pytest_report_header(config: pytest.Config) -> str:
    selection = config.stash[SELECTION]
    absent = f" (left out: {', '.join(selection.absent)})" if selection.absent else ""
    return (
        f"kernelgate: backends {', '.join(selection.backends)}{absent}; devices {', '.join(selection.devices)}; "
        f"{threads.available()} threads"
    )


def operation_of(function: Callable[..., Any], marker: pytest.Mark | None) -> str:
    """The operation that a test is about: what its marker says, or what it is named after."""
    asked = marker.kwargs.get("operation") if marker else None
    return str(asked or function.__name__.removeprefix("test_"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives a test that uses `subject` one row for each implementation, case, dtype and device."""
    if "subject" not in metafunc.fixturenames:
        return
    selection = metafunc.config.stash[SELECTION]
    marker = metafunc.definition.get_closest_marker("subjects")
    operation = operation_of(metafunc.function, marker)
    if operation not in selection.operations:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: no kernel has an operation {operation!r}, expected one of "
            f"{', '.join(sorted(selection.operations))}; name the test after it or mark it subjects(operation=...)"
        )
    axes = [axis for axis in AXES if axis in metafunc.fixturenames]
    kernels, backends = (marker.args, marker.kwargs.get("backends", ())) if marker else ((), ())
    clock = not metafunc.config.getoption("benchmark_disable")
    rows = []
    for subject in selection.subjects(operation, kernels, backends, timed="measure" in metafunc.fixturenames):
        values = {"kernel": subject.folder.name, "impl": subject.implementation, "dtype": subject.dtype}
        values["device"] = subject.device
        for case in selection.cases(subject, clock) if "case" in axes else ("",):
            rows.append([{**values, "case": case}[axis] for axis in axes])
    metafunc.parametrize(axes, rows)


@pytest.fixture
def subject(request: pytest.FixtureRequest, kernel: str, impl: str, dtype: str, device: str) -> Subject:
    """The implementation that this row is about."""
    from .subject import Subject

    operation = operation_of(request.function, request.node.get_closest_marker("subjects"))
    return Subject(request.config.stash[SELECTION].folders[kernel], operation, impl, dtype, device)


@pytest.fixture
def measure(request: pytest.FixtureRequest, subject: Subject, case: str, benchmark: Any) -> Callable[[], None]:
    """Times and checks the row's case. Rows of the same work are one group in pytest-benchmark's table."""

    gate: GatePlugin | None = request.config.pluginmanager.get_plugin(GATE)

    def measured() -> None:
        if gate is not None:
            gate.report(request.node)
            return
        from . import timing

        row = (subject.folder.name, case, subject.dtype, subject.device)
        prefix = "" if subject.operation == "kernel" else f"{subject.operation} "
        benchmark.group = prefix + "-".join(row)
        libraries = request.config.stash[SELECTION].libraries(subject)
        facts = timing.run(subject, case, benchmark, libraries)
        if benchmark.enabled:
            facts |= {"group": benchmark.group, "impl": subject.implementation, "median": benchmark.stats.stats.median}
            request.node.user_properties.append(("kernelgate", facts))

    return measured


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """In a verbose run, the figures of each benchmark as it passes: the progress of a long run."""
    # A report of collecting has no properties.
    facts: Any = dict(getattr(report, "user_properties", ())).get("kernelgate")
    if facts is None or report.when != "call" or not report.passed:
        return None
    from .table import brief

    return "passed", ".", brief(facts)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    from .table import rows

    reports = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", [])]
    facts = [properties["kernelgate"] for properties in reports if "kernelgate" in properties]
    if facts:
        terminalreporter.section("kernelgate: against the reference, and this machine's measured limit")
        for line in rows(facts):
            terminalreporter.write_line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    from . import limits

    machine_info["kernelgate"] = {
        "threads": threads.record(),
        "limits": limits.measured(),
        "accelerators": accelerators(config.getoption("device")),
    }

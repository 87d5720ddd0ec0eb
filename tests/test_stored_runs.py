"""pytest-benchmark's stored runs: its own ways work as without us, and what they let pass in silence is told."""

import json
import shutil

import pytest
from plugin_project import Project

KERNELS = ("test_fast.py", "--benchmark-only", "-k", "large-f32")
CHOSEN = ("test_plain.py", "--benchmark-only")
PLAIN = """
import pytest

def test_sum(benchmark):
    benchmark(sum, (1, 2))

def test_max(benchmark):
    benchmark(max, (1, 2))
"""
COMPARE = ("--benchmark-compare", "-W", "default")
# A slowdown that no machine's mood amounts to: what is tested is not the clock.
DECIDE = (*COMPARE, "--benchmark-compare-fail=median:100000%")


@pytest.fixture
def project(tmp_path):
    """A project with two benchmarks that know nothing of kernels."""
    project = Project(tmp_path)
    (tmp_path / "test_plain.py").write_text(PLAIN)
    return project


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    """The folder of one stored run of those benchmarks."""
    project = Project(tmp_path_factory.mktemp("stored"))
    (project.root / "test_plain.py").write_text(PLAIN)
    assert project.pytest(*CHOSEN, "--benchmark-autosave").returncode == 0
    return project.root / ".benchmarks"


@pytest.fixture
def stored(project, a_run):
    shutil.copytree(a_run, project.root / ".benchmarks")
    return project


def edit(project, change):
    """Change what the stored run holds."""
    (file,) = (project.root / ".benchmarks").rglob("*.json")
    saved = json.loads(file.read_text())
    change(saved)
    file.write_text(json.dumps(saved))


def told(run):
    """The lines of our section."""
    _, _, section = run.stdout.partition("kernelgate: stored runs")
    return [line for line in section.splitlines()[1:] if line and not line.startswith("=")]


def test_saved_runs_compare_without_a_false_warning(project):
    assert project.pytest(*KERNELS, "--benchmark-autosave").returncode == 0
    compared = project.pytest(*KERNELS, "--benchmark-compare", "--benchmark-group-by=param:impl")
    assert compared.returncode == 0, compared.stdout
    assert "benchmark 'impl=numpy_plain': 2 tests" in compared.stdout
    assert "(NOW)" in compared.stdout
    assert "machine_info is different" not in compared.stdout + compared.stderr
    assert told(compared) == []


def test_a_regression_against_a_stored_run_is_red_and_none_is_green(stored):
    assert stored.pytest(*CHOSEN, *DECIDE).returncode == 0
    edit(stored, lambda saved: [bench["stats"].update(median=1e-12) for bench in saved["benchmarks"]])
    run = stored.pytest(*CHOSEN, *DECIDE)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Performance has regressed" in run.stdout + run.stderr


def test_its_command_line_reads_what_is_stored(stored):
    run = stored.run("-m", "pytest_benchmark", "compare", "--group-by=func")
    assert run.returncode == 0, run.stderr
    assert "benchmark 'test_sum': 1 tests" in run.stdout
    assert ".json" in stored.run("-m", "pytest_benchmark", "list").stdout


@pytest.mark.parametrize(("options", "code"), [(COMPARE, 0), (DECIDE, 1)])
def test_a_benchmark_without_stored_figures_is_told_and_fails_what_decides(stored, options, code):
    (stored.root / "test_plain.py").write_text(PLAIN.replace("test_max", "test_largest"))
    run = stored.pytest(*CHOSEN, *options)
    assert run.returncode == code, run.stdout
    assert told(run) == ["1 of 2 benchmarks have no stored figures to compare with: test_largest"]


@pytest.mark.parametrize(("options", "code"), [(COMPARE, 0), (DECIDE, 1)])
def test_a_run_of_another_machine_is_told_and_fails_what_decides(stored, options, code):
    edit(stored, lambda saved: saved["machine_info"]["cpu"].update(brand_raw="an abacus"))
    run = stored.pytest(*CHOSEN, *options)
    assert run.returncode == code, run.stdout
    (line,) = told(run)
    assert line.startswith("the stored run is of another machine: processor brand an abacus there, ")
    assert "machine_info is different" in run.stdout + run.stderr


def test_another_host_name_or_kernel_is_the_same_machine(stored):
    edit(stored, lambda saved: saved["machine_info"].update(node="elsewhere", release="1.0"))
    run = stored.pytest(*CHOSEN, *DECIDE)
    assert run.returncode == 0, run.stdout
    assert told(run) == []


def test_fewer_threads_are_another_machine(stored):
    edit(stored, lambda saved: saved["machine_info"]["kernelgate"]["threads"].update(processors=999))
    assert "threads 999 there" in told(stored.pytest(*CHOSEN, *DECIDE))[0]


@pytest.mark.parametrize("options", [COMPARE, DECIDE])
def test_a_comparison_of_nothing_is_red(project, options):
    run = project.pytest(*CHOSEN, *options)
    assert run.returncode != 0
    assert told(run) == ["nothing was compared: there is no stored run; make one with --benchmark-autosave"]


@pytest.mark.parametrize("options", [COMPARE, DECIDE])
def test_a_comparison_of_other_benchmarks_is_red(stored, options):
    (stored.root / "test_plain.py").rename(stored.root / "test_renamed.py")
    run = stored.pytest("test_renamed.py", "--benchmark-only", *options)
    assert run.returncode == 1
    assert told(run) == ["nothing was compared: none of the 2 benchmarks that ran is in the stored run"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (COMPARE, "nothing was compared: no benchmark ran"),
        (DECIDE, "nothing was compared: no benchmark ran"),
        ((), "--benchmark-only, and no benchmark ran"),
    ],
)
def test_a_run_that_skipped_every_benchmark_is_red(stored, options, complaint):
    (stored.root / "test_plain.py").write_text(PLAIN + "\npytestmark = pytest.mark.skip\n")
    run = stored.pytest(*CHOSEN, *options)
    assert run.returncode == 1
    assert told(run) == [complaint]


def test_what_decides_needs_something_to_compare_with(project):
    run = project.pytest(*CHOSEN, "--benchmark-compare-fail=median:5%")
    assert run.returncode != 0
    assert "nothing was compared: --benchmark-compare-fail needs --benchmark-compare, to say with what" in told(run)


def test_listing_compares_nothing_and_is_green(project):
    assert project.pytest(*CHOSEN, *COMPARE, "--collect-only").returncode == 0

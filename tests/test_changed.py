"""What `pytest --against REF --changed` judges: what runs code that is not REF's, and nothing else."""

import json
from types import SimpleNamespace

import pytest
from gated_repository import QUICK, SPEC, Repository

from kernelgate.against import without_remarks
from kernelgate.gate_plugin import GatePlugin
from kernelgate.merge import merge


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


@pytest.mark.parametrize(
    ("changed", "measured"),
    [
        ("shared.py", {"twice-numpy_shared"}),
        ("double/__init__.py", {"double-reference", "double-numpy_plain"}),
        # Both sides are measured by head's contract.
        ("double/spec.py", set()),
    ],
)
def test_changed_measures_what_runs_changed_files_only(repository, changed, measured):
    repository.write("shared.py", "")
    repository.write("twice/numpy_shared.py", "from ..shared import *\n" + QUICK)
    repository.commit()
    with (repository.package / changed).open("a") as file:
        file.write("CHANGED = 1\n")
    _, output = repository.pytest("--against", "main", "--changed", "--collect-only", "-q")
    found = {line for line in output.splitlines() if "::" in line}
    assert found == {f"test_fast.py::test_kernel[{row}-large-f32-cpu]" for row in measured}


REMARKED = """

# Said in other words.
def {name}(x):
    '''Twice'''
    return (x * 2)
"""


@pytest.mark.parametrize(
    ("text", "measured"),
    [(REMARKED, set()), (QUICK.replace("2", "2.0"), {"numpy_plain"}), ("@property\n" + QUICK, {"numpy_plain"})],
)
def test_remarks_are_no_change(repository, text, measured):
    repository.write("double/numpy_plain.py", text)
    _, output = repository.pytest("--against", "main", "--changed", "--collect-only", "-q")
    rows = {f"test_fast.py::test_kernel[double-{impl}-large-f32-cpu]" for impl in measured}
    assert {line for line in output.splitlines() if "::" in line} == rows


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [
        ("x = 1", "x = (1)  # one", True),
        ("def f():\n    return 1", "def f():\n    'One.'\n    return 1", True),
        ("class A:\n    'One.'", "class A:\n    'Two.'", True),
        # A text that is no docstring may be what is computed.
        ("x = 'One.'", "x = 'Two.'", False),
        ("def f():\n    1\n    'One.'", "def f():\n    1\n    'Two.'", False),
        ("x = 1", "x = 1.0", False),
        ("x = 1", "x = True", False),
        ("def f(x: int): 0", "def f(x: float): 0", False),
        # What is no Python is compared as it is written.
        ("def # one", "def # two", False),
        ("x = '\0'", "x = '\0'", True),
    ],
)
def test_what_runs_is_compared_and_not_what_is_said_about_it(before, after, alike):
    assert (without_remarks(before.encode()) == without_remarks(after.encode())) is alike


def bind_by_a_loop(repository):
    """As the loop over tokens of a model, which no implementation imports."""
    (repository.package / "loop.py").write_text("def run(function, x):\n    return function(x)\n")
    bound = SPEC.replace("import numpy", "from functools import partial\nfrom ..loop import run\nimport numpy", 1)
    bound = bound.replace("Kernel(\n", "Kernel(\n    bind=lambda module, x: partial(run, module.double, x),\n", 1)
    (repository.package / "double" / "spec.py").write_text(bound)


def test_what_a_spec_binds_is_each_sides_own(repository):
    bind_by_a_loop(repository)
    repository.commit()
    (repository.package / "loop.py").write_text("def run(function, x):\n    function(x)\n    return function(x)\n")
    status, output = repository.pytest("--against", "main", "--changed", "-v")
    assert status == pytest.ExitCode.TESTS_FAILED, output
    assert "2 failed, 2 deselected" in output


@pytest.mark.parametrize(
    ("changed", "measured"),
    [
        ("loop.py", True),
        ("calls.py", True),
        # Whoever imports what is bound could come to bind another.
        ("operations.py", True),
        ("double/spec.py", True),
        # By it both sides have the same inputs.
        ("drawing.py", False),
    ],
)
def test_of_a_spec_what_it_binds_counts_and_not_what_it_draws_by(repository, changed, measured):
    bind_by_a_loop(repository)
    files = {
        "calls.py": "from .loop import run\n\ndef call(module, x):\n    return lambda: run(module.double, x)\n",
        "operations.py": "from .calls import call\n\nOPTIONS = {'bind': call}\n",
        "drawing.py": "def drawn(rng, dtype, n):\n    return (rng.standard_normal(n).astype(dtype),)\n",
    }
    for name, text in files.items():
        (repository.package / name).write_text(text)
    spec = "".join(line for line in SPEC.splitlines(keepends=True) if "inputs=" not in line)
    spec = spec.replace("Kernel(\n", "Kernel(\n    inputs=drawn,\n    **OPTIONS,\n")
    imports = "from ..drawing import drawn\nfrom ..operations import OPTIONS\n"
    (repository.package / "double" / "spec.py").write_text(imports + spec)
    repository.commit()
    with (repository.package / changed).open("a") as file:
        file.write("CHANGED = 1\n")
    _, output = repository.pytest("--against", "main", "--changed", "--collect-only", "-q")
    rows = sum(line.startswith("test_fast.py::test_kernel[double-") for line in output.splitlines())
    assert rows == (2 if measured else 0), output


def test_what_base_does_not_bind_cannot_be_compared(repository):
    bind_by_a_loop(repository)
    status, output = repository.pytest("--against", "main", "-k", "double-numpy", "-v")
    assert status == pytest.ExitCode.OK, output
    assert "1 INCONCLUSIVE" in output
    assert "double/spec.py binds no kernel: expected bind, as head has it" in output


@pytest.mark.parametrize("chosen", [("--changed",), ("--shard", "4/4")])
def test_where_nothing_is_left_to_judge_nothing_is_wrong(repository, chosen, tmp_path):
    with (repository.package / "double" / "spec.py").open("a") as file:
        file.write("CHANGED = 1\n")
    status, output = repository.pytest("--against", "main", *chosen, "--gate-report", str(tmp_path / "one"))
    assert status == pytest.ExitCode.OK, output
    assert "nothing to judge" in output
    assert "double/spec.py changed: both sides have head's inputs" in output
    assert json.loads((tmp_path / "one" / "gate.json").read_text())["rows"] == []
    assert merge([tmp_path / "one"]).outcomes == ()
    (repository.package / "double" / "numpy_plain.py").unlink()
    assert "1 MISSING" in repository.pytest("--against", "main", *chosen)[1]
    # But who asks for what is not there is told so.
    assert repository.pytest("--against", "main", "-k", "nonsense")[0] == pytest.ExitCode.NO_TESTS_COLLECTED


def test_shards_share_the_rows_out(repository):
    def listed(*arguments):
        _, output = repository.pytest("--against", "main", "--collect-only", "-q", *arguments)
        return [line for line in output.splitlines() if "::" in line]

    assert sorted(listed("--shard", "1/2") + listed("--shard", "2/2")) == sorted(listed())
    assert len(listed("--shard", "1/2")) == 2


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, (600, 0)),
        ({"changed": True}, (52, 30)),
        ({"changed": True, "budget": 120.0}, (120, 0)),
        ({"budget": 1.0}, (1, 0)),
    ],
)
def test_who_waits_for_what_is_changed_is_answered_sooner(given, seconds):
    plugin = object.__new__(GatePlugin)
    plugin.config = SimpleNamespace(getoption=given.get)
    assert plugin._seconds() == seconds

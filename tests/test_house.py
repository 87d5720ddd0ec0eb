"""The rules of the house: what may import what, what collecting costs, and that one file adds an implementation."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_project import failures

from kernelgate.kernel import BACKENDS, backend_of, discover

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "impls").rglob("*.py"))
SHARED = {"numpy", "ml_dtypes", "jaxtyping"}


def imports(file):
    """Top-level names of the modules that a file imports absolutely, and whether inside a function."""
    tree = ast.parse(file.read_text())
    outermost = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        else:
            continue
        for name in names:
            yield name.partition(".")[0], id(node) in outermost


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_kernels_import_their_siblings_relatively_and_never_pickle(file):
    names = {name for name, _ in imports(file)}
    assert not names & {"impls", "pickle", "pytest"}
    assert file.name.endswith("spec.py") or "kernelgate" not in names, "only spec files import the vocabulary"


@pytest.mark.parametrize(
    ("folder", "implementation"),
    [(folder, name) for folder in discover("impls").values() for name in folder.implementations],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_an_implementation_imports_its_backend_and_nothing_else(folder, implementation):
    file = ROOT / "impls" / folder.name / f"{implementation}.py"
    allowed = SHARED | set(BACKENDS[backend_of(implementation)].requires) | set(sys.stdlib_module_names)
    assert {name for name, _ in imports(file)} <= allowed


def test_collecting_imports_neither_jax_nor_numba():
    script = (
        "import sys, pytest\n"
        "code = pytest.main(['--collect-only', '-q', '--backend', 'reference', '--benchmark-disable'])\n"
        "heavy = {'jax', 'numba', 'torch', 'transformers', 'sentencepiece'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr + run.stdout[-2000:]


def test_without_the_plugin_one_line_says_what_to_do():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:kernelgate"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr.count("\n\n")) == (pytest.ExitCode.USAGE_ERROR, 1)
    assert "pip install -e '.[dev]'" in run.stderr


@pytest.mark.parametrize("modules", ["kernel", "pairing, kernelgate.timing", "reading, kernelgate.structure"])
def test_what_each_process_of_the_gate_loads_is_no_more_than_it_needs(modules):
    """The vocabulary, measuring and reading: hypothesis alone would take half a second of two."""
    heavy = "{'pytest', 'hypothesis', 'numba', 'jax'}"
    script = f"import sys, kernelgate.{modules}\nsys.exit(str({heavy} & set(sys.modules) or '') or 0)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60).returncode == 0


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the house, to add a file to."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "impls", copy / "impls", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__", "test_house.py"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def readme_example():
    """The implementation that the README shows."""
    _, _, rest = (ROOT / "README.md").read_text().partition("```python\n")
    return rest.partition("```")[0]


def run_in(house, implementations, *arguments):
    """The tests of rope's NumPy implementations of these names and sources."""
    for name, code in implementations.items():
        (house / "impls" / "rope" / f"{name}.py").write_text(code)
    chosen = ("-k", " or ".join(implementations), "--backend", "numpy")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *chosen, *arguments]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, timeout=300)


def test_one_file_adds_an_implementation(house):
    tests = ("tests/test_equivalence.py", "tests/test_laws.py", "tests/test_speed.py")
    run = run_in(house, {"numpy_copy": readme_example()}, *tests, "--benchmark-disable", "-v")
    assert run.returncode == 0, run.stdout
    for expected in (
        "test_equivalence.py::test_kernel[rope-numpy_copy-f32-cpu]",
        "test_laws.py::test_rope_keeps_norms[rope-numpy_copy-bf16-cpu]",
        "test_speed.py::test_kernel[rope-numpy_copy-stories15M-prefill-256-f32-cpu]",
    ):
        assert expected in run.stdout


WRONG = {
    "numpy_zeros": ("return np.zeros_like(x)", "off by"),
    "numpy_no_sin": (
        "a, b = np.split(x, 2, axis=-1); c = cos[:, None]; return np.concatenate([a * c, b * c], -1)",
        "off by",
    ),
    "numpy_wide": ("return x.astype(np.float64)", "float64"),
}


def test_a_wrong_file_is_rejected(house):
    sources = {
        name: f"import numpy as np\n\n\ndef rope(x, cos, sin):\n    {body}\n" for name, (body, _) in WRONG.items()
    }
    junit = house / "results.xml"
    run = run_in(house, sources, "tests/test_equivalence.py", "--benchmark-disable", f"--junitxml={junit}")
    assert run.returncode == 1
    told = failures(junit)
    assert told.keys() == {f"rope-{name}-{dtype}-cpu" for name in WRONG for dtype in ("f32", "bf16")}
    for row, message in told.items():
        assert WRONG[row.split("-")[1]][1] in message

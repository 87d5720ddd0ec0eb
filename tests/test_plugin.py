"""The plugin as its users type it, on a small package of kernels that is not ours."""

import json

import pytest
from plugin_project import RIGHT, Project, failures

from kernelgate.devices import installed


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_ids_name_kernel_implementation_case_dtype_and_device(project):
    listed = project.pytest("--collect-only", "-q").stdout.splitlines()
    assert "test_fast.py::test_kernel[total-numpy_plain-large-f32-cpu]" in listed
    assert "test_equal.py::test_kernel[total-reference-bf16-cpu]" in listed
    assert not any("huge" in line for line in listed)


def test_heavy_cases_are_timed_when_asked_for(project):
    assert "total-reference-huge-f32-cpu" in project.pytest("--collect-only", "-q", "--heavy").stdout


def test_k_selects_by_words(project):
    run = project.pytest("-q", "-k", "total and numpy and bf16", "test_equal.py")
    assert "1 passed, 3 deselected" in run.stdout


def test_a_run_shows_speedup_and_share_of_the_limit(project):
    run = project.pytest("test_fast.py", "--benchmark-only", "-v", "-k", "f32")
    assert run.returncode == 0, run.stdout
    assert "benchmark 'total-large-f32-cpu': 2 tests" in run.stdout
    assert "kernelgate: against the reference, and this machine's measured limit" in run.stdout
    lines = [line.split() for line in run.stdout.splitlines()]
    assert sum(line[:1] == ["numpy_plain"] for line in lines) == 2
    assert "% of limit" in next(line for line in run.stdout.splitlines() if "[total-numpy_plain-large-f32-cpu]" in line)


def test_what_is_saved_tells_the_whole_story(project):
    stored = project.root / "run.json"
    run = project.pytest("test_fast.py", "--benchmark-only", f"--benchmark-json={stored}", "-k", "large-f32")
    assert run.returncode == 0, run.stdout
    saved = json.loads(stored.read_text())
    facts = {bench["params"]["impl"]: bench["extra_info"] for bench in saved["benchmarks"]}
    assert facts["reference"]["speedup_over_reference"] == 1
    assert facts["numpy_plain"]["flops"] == 4096
    assert facts["numpy_plain"]["bytes"] == 3 * 4096 * 4
    for name in ("limit_share", "gflops", "gbps", "first_call_s", "first_run_s", "speedup_over_reference"):
        assert facts["numpy_plain"][name] > 0, name
    assert facts["numpy_plain"]["compilations"] == 0
    assert facts["numpy_plain"]["peak_memory_bytes"] >= 0
    machine = saved["machine_info"]["kernelgate"]
    assert set(machine["limits"]["cpu"]["GFLOP/s"]) == {"f32"}
    assert len(machine["limits"]["cpu"]["GB/s"]) > 2


WRONG = {
    "zero": ("return 0 * x", "off by"),
    "close": ("return x + 1.0001 * y", "off by"),
    "wide": ("return (x + y).astype('float64')", "gave float64"),
    "half": ("return x", "off by"),
    "deep": ("return (x + y)[None]", "expected float32"),
    "inplace": ("x += y; return x", "argument 0 was changed"),
}


def test_a_wrong_implementation_fails_and_is_told_why(project):
    for name, (body, _) in WRONG.items():
        (project.kernels / f"numpy_{name}.py").write_text(f"def total(x, y):\n    {body}\n")
    junit = project.root / "results.xml"
    run = project.pytest("test_equal.py", "-k", "f32", f"--junitxml={junit}")
    assert run.returncode == 1
    told = failures(junit)
    assert told.keys() == {f"total-numpy_{name}-f32-cpu" for name in WRONG}
    for name, (_, complaint) in WRONG.items():
        assert complaint in told[f"total-numpy_{name}-f32-cpu"]


def test_fast_and_wrong_fails_in_the_benchmark_too(project):
    (project.kernels / "numpy_wrong.py").write_text("def total(x, y):\n    return x\n")
    run = project.pytest("test_fast.py", "--benchmark-only", "-k", "numpy_wrong and small-f32")
    assert run.returncode == 1
    assert "Mismatch" in run.stdout


def test_annotations_are_held_to(project):
    (project.kernels / "numpy_annotated.py").write_text(
        "import numpy as np\nfrom jaxtyping import Float\n"
        "def total(x: Float[np.ndarray, 'n'], y: Float[np.ndarray, 'n n']):\n    return x + y\n"
    )
    run = project.pytest("test_equal.py", "-k", "numpy_annotated and f32")
    assert run.returncode == 1
    assert "annotated as Float[ndarray, 'n n']" in run.stdout


def test_what_has_no_annotations_is_proved_without_jax(project):
    source = "import sys\n\ndef total(x, y):\n    assert 'jax' not in sys.modules\n    return x + y\n"
    (project.kernels / "numpy_alone.py").write_text(source)
    run = project.pytest("test_equal.py", "-k", "numpy_alone and f32")
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("nmba_fast.py", RIGHT, "nmba_fast.py names no backend"),
        ("numpy.py", RIGHT, "numpy.py names no backend"),
        ("spec.py", "KERNEL = None", "defines neither KERNEL nor OPERATIONS"),
    ],
)
def test_a_package_that_is_not_laid_out_as_one_is_refused(project, file, text, complaint):
    (project.kernels / file).write_text(text)
    run = project.pytest("--collect-only", "-q")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"sums/total/{file}" in run.stderr
    assert complaint in run.stderr


def test_a_kernel_without_a_reference_is_refused(project):
    (project.kernels / "reference.py").unlink()
    run = project.pytest("--collect-only", "-q")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "has no reference.py" in run.stderr


def test_a_file_without_the_function_is_told_its_name(project):
    (project.kernels / "numpy_empty.py").write_text("")
    run = project.pytest("test_equal.py", "-k", "numpy_empty and f32")
    assert "sums.total.numpy_empty defines no function total" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--device", "tpu"], "runs there; not among reference, numpy"),
        (["--device", "abacus"], "--device abacus: unknown, expected some of cpu, gpu, tpu"),
        (["--backend", "abacus"], "--backend abacus: unknown, expected some of"),
        (["--threads", "0"], "--threads 0: expected 1 to"),
    ],
)
def test_what_is_asked_for_and_absent_fails_with_one_line(project, arguments, complaint):
    run = project.pytest(*arguments)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in run.stderr.splitlines() if line.strip()]
    assert complaint in line


@pytest.mark.skipif(not installed("jax"), reason="needs jax, to have it look for a device")
def test_a_device_that_jax_does_not_see_fails_with_one_line(project):
    run = project.pytest("--backend", "jax", "--device", "cpu,tpu", JAX_PLATFORMS="cpu")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--device tpu: JAX sees none on this machine, only cpu" in run.stderr


def test_threads_are_pinned_before_numpy_and_slow_presets_removed(project):
    stored = project.root / "run.json"
    chosen = ("test_fast.py", "--benchmark-only", "-k", "numpy_plain and small-f32", f"--benchmark-json={stored}")
    run = project.pytest(*chosen, "--threads", "1", OPENBLAS_CORETYPE="Haswell", OPENBLAS_L2_SIZE="512")
    assert run.returncode == 0, run.stdout
    machine = json.loads(stored.read_text())["machine_info"]["kernelgate"]["threads"]
    assert machine["pinned"]["OPENBLAS_NUM_THREADS"] == "1"
    assert machine["processors"] == 1
    assert {pool["num_threads"] for pool in machine["pools"]} == {1}
    assert machine["removed_variables"] == {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"}


def test_a_test_named_after_no_operation_is_told_which_there_are(project):
    (project.root / "test_equal.py").write_text("def test_colonel(subject):\n    pass\n")
    run = project.pytest("test_equal.py")
    assert "no kernel has an operation 'colonel', expected one of kernel" in run.stdout + run.stderr

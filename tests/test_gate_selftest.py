"""The short form of the gate's own proof, on a copy of the house; and that neither form can pass a gate that is wrong.

`tox run -e gate-selftest` is the long one, with small slowdowns and a noisy neighbour. Here margins and plants are so
large that no machine's mood decides.
"""

import dataclasses
import json
import subprocess
import sys

import gate_results
import gate_selftest
import pytest
from gate_plants import STRUCTURAL, Plant, Unused, spin
from gate_selftest import SIZES, SLOWED, House, slowed

from kernelgate.devices import installed

QUICK = ("--margin", "10%", "--budget", "30s")
PLANTS = {plant.name: plant for plant in STRUCTURAL}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return House(tmp_path_factory.mktemp("selftest") / "house")


def test_identical_code_fails_nowhere(house):
    with house.planted([Unused()]):
        run = house.gate("--changed", "-k", "rmsnorm and numpy and f32 and b1", *QUICK)
    assert run.verdicts
    assert set(run.verdicts.values()) <= {"PASS", "INCONCLUSIVE", "INVALID"}, run.printed


def test_a_slowdown_of_half_is_found(house):
    with house.planted([spin("rmsnorm/numpy_vecdot.py", 0.5)]):
        # It ends once it is decided; a loaded machine takes long to.
        run = house.gate("--changed", "-k", "stories15M-decode and f32", "--margin", "10%", "--budget", "2m")
    assert run.verdicts == {"rmsnorm-numpy_vecdot-stories15M-decode-b1-f32-cpu": "FAIL"}, run.printed


def backend(name):
    return name.rpartition(", ")[2].lower()


@pytest.mark.parametrize(
    "name",
    ["result rounded to bfloat16, NumPy", "loop no longer vectorised, Numba", "float64 within, JAX"],
)
def test_a_structural_plant_is_found_and_named(house, name):
    if not installed(backend(name)):
        pytest.skip(f"needs {backend(name)}")
    found = house.judged(PLANTS[name])
    assert found.found, found
    assert found.named, found


def test_a_plant_that_changes_nothing_is_reported_as_missed(house):
    harmless = dataclasses.replace(PLANTS["float64 within, NumPy"], edits=(("float32 within", "f32 within"),))
    found = house.judged(harmless)
    assert not found.found
    results = {"identical": [], "slowdowns": [], "structural": [dataclasses.asdict(found)]}
    (fault,) = gate_results.faults(results, SIZES)
    assert fault.startswith("float64 within, NumPy: not found in rmsnorm-numpy_vecdot")


@pytest.mark.parametrize("plant", [*STRUCTURAL, *slowed(0.1)], ids=lambda plant: f"{plant.name}, {plant.file}")
def test_every_plant_fits_the_code_and_compiles(house, plant):
    file = house.root / "impls" / plant.file
    before = file.read_text()
    with house.planted([plant]):
        planted = file.read_text()
        compile(planted, file, "exec")
    assert planted != before
    assert file.read_text() == before


def test_a_plant_whose_text_is_gone_says_so(house):
    lost = Plant("lost", SLOWED[0], "kernel", "", "", (("no such line", "other"),))
    with pytest.raises(ValueError, match=r"plant 'lost': .* does not hold 'no such line'"), house.planted([lost]):
        raise AssertionError("a plant was not planted")


def test_a_proof_of_nothing_is_red_and_its_figures_are_written(tmp_path):
    nothing = ("--runs", "0", "--repeats", "0", "--plants", "none of this name", "-o", str(tmp_path / "figures.json"))
    run = subprocess.run([sys.executable, gate_selftest.__file__, *nothing], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, "nothing was run\n")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == {kind: [] for kind in FINE} | {"faults": ["nothing was run"]}


FINE = {
    "identical": [{"noisy": False, "seconds": 100.0, "verdicts": {"PASS": 30}, "control_alarms": 1}],
    "slowdowns": [
        {"size": size, "seconds": 50.0, "found": {str(row): True for row in range(20)}, "stock_red": True}
        for size in SIZES
    ],
    "structural": [
        {"plant": "a", "row": "r", "found": True, "named": True, "reason": "b", "seconds": 9.0, "stock_red": False}
    ],
    "stock_identical": [True, False],
}


def with_missed(size, count):
    """Results in which a slowdown of that size was missed in so many rows."""
    missed = {"found": {str(row): row >= count for row in range(20)}}
    return FINE | {"slowdowns": [run | missed if run["size"] == size else run for run in FINE["slowdowns"]]}


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        (FINE | {"identical": [FINE["identical"][0] | {"verdicts": {"PASS": 29, "FAIL": 1}}]}, "run 1: 1 rows failed"),
        (with_missed(0.10, 1), "10% slower: found in 19 of 20 rows, expected 100%"),
        (with_missed(0.05, 2), "5% slower: found in 18 of 20 rows, expected 95%"),
        (with_missed(0.03, 5), "3% slower: found in 15 of 20 rows, expected 80%"),
        (FINE | {"structural": [FINE["structural"][0] | {"found": False}]}, "a: not found in r: b"),
        (FINE | {"structural": [FINE["structural"][0] | {"named": False}]}, "a: found and not named: b"),
    ],
)
def test_what_falls_short_is_said(results, fault):
    (found,) = gate_results.faults(results, SIZES)
    assert fault in found


@pytest.mark.parametrize("results", [FINE, with_missed(0.05, 1), with_missed(0.03, 4), with_missed(0.02, 20)])
def test_what_is_good_enough_is_not(results):
    assert gate_results.faults(results, SIZES) == []


def test_the_table_holds_every_kind_of_run():
    lines = gate_results.table(FINE)
    assert [line.split("  ")[0] for line in lines] == [
        "what",
        "identical, quiet",
        "2% slower",
        "3% slower",
        "5% slower",
        "10% slower",
        "a",
    ]
    assert "0 of 1 runs red (30 rows, 1 control)" in lines[1]
    assert "1 of 2 runs red" in lines[1]
    assert len({line.find("green") for line in lines[6:]} | {line.find("1 of 1") for line in lines[2:6]}) == 1

"""JAX's cache on disk: where it is, when it is not used, and that a second process finds what the first compiled."""

import os
import subprocess
import sys
import time

import pytest

from kernelgate import jax_programs
from kernelgate.user_cache import KEPT_SECONDS

SCRIPT = """
from kernelgate import jax_programs
jax_programs.keep()
import jax
from kernelgate.compilation import compilation
from kernelgate.kernel import BACKENDS
facts = {}
with compilation(BACKENDS["jax"], facts):
    jax.jit(lambda x: x * 2 + 1)(1.0)
print(facts["compilations"], facts.get("compilations_found", 0))
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in (jax_programs.SWITCH, jax_programs.FOLDER, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        # Set first, so that what the call under test leaves in the environment is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "kernelgate" / "jax"


def test_it_lies_in_the_users_cache_and_forgets_what_is_old(home):
    home.mkdir(parents=True)
    for name, age in (("old", KEPT_SECONDS + 60), ("young", 60)):
        (home / name).touch()
        os.utime(home / name, (time.time() - age,) * 2)
    jax_programs.keep()
    assert os.environ[jax_programs.FOLDER] == str(home)
    assert [file.name for file in home.iterdir()] == ["young"]


@pytest.mark.parametrize(("name", "value"), [(jax_programs.SWITCH, "off"), (jax_programs.FOLDER, "elsewhere")])
def test_it_is_left_alone_where_that_is_asked_for(home, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    jax_programs.keep()
    assert os.environ.get(jax_programs.FOLDER) == (value if name == jax_programs.FOLDER else None)
    assert not home.exists()


def test_a_second_process_finds_what_the_first_compiled(home, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

    def start(**variables):
        environment = {**os.environ, "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1", **variables}
        command = [sys.executable, "-c", SCRIPT]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert run.returncode == 0, run.stderr
        return run.stdout.split()

    assert start() == ["1", "0"]
    assert start() == ["1", "1"]
    assert start(**{jax_programs.SWITCH: "off"}) == ["1", "0"]

"""Base's own environment for `--against-env`: an interpreter that was named, or one with what REF's lock file pins.

What is built is laid over the environment of this run: a virtual environment that holds the packages whose pins changed
since REF, as REF had them, and finds all others here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from .against import Base, pins, pins_at
from .user_cache import place

# What a measuring process imports, beside the backends of its rows.
MEASURING = ("numpy", "ml_dtypes", "hypothesis", "psutil")
_ABSENT = """
import importlib.util, sys
assert sys.version_info >= (3, 11), "Python %d.%d is older than 3.11" % sys.version_info[:2]
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])
"""


class EnvironmentRefused(ValueError):
    """An environment that cannot be had, or cannot measure."""


def named(asked: str, needed: Iterable[str]) -> str:
    """The interpreter's path, once it is known to have what measuring needs."""
    found = shutil.which(asked)
    if found is None:
        raise EnvironmentRefused(
            f"--against-env={asked}: no such interpreter; expected a Python executable, or --against-env alone to build"
        )
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [found, "-c", _ABSENT, *MEASURING, *needed]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    if run.returncode:
        raise EnvironmentRefused(f"--against-env={asked}: {_last(run.stderr)}; expected a Python that runs")
    if absent := run.stdout.split():
        raise EnvironmentRefused(f"--against-env={asked}: it lacks {', '.join(absent)}; install it there")
    return found


def build(root: Path, base: Base, lock: str, tell: Callable[[str], None]) -> str | None:
    """The interpreter of an environment as REF's lock file has it, kept in the user's cache; None if it is this one's.

    pip installs what is not there yet, from wherever its settings say. The folder appears whole or not at all.
    """
    requirements = _requirements(root, base, lock)
    if not requirements:
        return None
    shared = [path for path in (*site.getsitepackages(), site.getusersitepackages()) if path in sys.path]
    key = hashlib.sha256(json.dumps([requirements, sys.version, sys.prefix, shared]).encode()).hexdigest()[:16]
    home = place("environments")
    folder = home / key
    if not folder.exists():
        tell(f"building an environment for {base} with {', '.join(requirements)}")
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=f".{key}-") as temporary:
            made = Path(temporary) / key
            _make(made, requirements, shared)
            try:
                made.rename(folder)
            except OSError:  # somebody else was quicker; theirs is the same
                if not folder.exists():
                    raise
    return str(_python(folder))


def _requirements(root: Path, base: Base, lock: str) -> list[str]:
    """The lines of REF's lock file that are not head's, of packages that are here, or that head has no more."""
    then = pins_at(root, base, lock)
    if then is None:
        raise EnvironmentRefused(
            f"--against-env: {base} has no lock file {lock}; name an interpreter instead: --against-env=PYTHON"
        )
    now = pins((root / lock).read_text(encoding="utf-8") if (root / lock).exists() else "")
    return [
        line.text
        for name, line in sorted(then.items())
        if (name not in now or now[name].version != line.version) and (name not in now or _is_here(name))
    ]


def _is_here(name: str) -> bool:
    try:
        return distribution(name) is not None
    except PackageNotFoundError:
        return False


def _make(folder: Path, requirements: list[str], shared: list[str]) -> None:
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], "the virtual environment")
    libraries = sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)})
    beside = Path(libraries) / "zz-kernelgate-head.pth"
    beside.write_text(f"import site; list(map(site.addsitedir, {shared!r}))\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(_python(folder)), "--disable-pip-version-check", "--no-input"]
    _run([*pip, "install", "--quiet", "--no-deps", "--ignore-installed", *requirements], ", ".join(requirements))


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(command: list[str], what: str) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise EnvironmentRefused(f"--against-env: could not make {what}: {_last(run.stderr or run.stdout)}")


def _last(text: str) -> str:
    """The last line that says something; pip's own errors before what it adds to them."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no word of why"]
    return next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])


def paths(interpreter: str, folder: Path) -> Mapping[str, str]:
    """The variables under which a process of another environment measures with this package and caches for itself."""
    own = folder / "measuring"
    if not own.exists():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(__file__).parent, own / Path(__file__).parent.name, ignore=ignored)
    name = hashlib.sha256(interpreter.encode()).hexdigest()[:16]
    return {
        # Not what this run has on it: that is head's.
        "PYTHONPATH": str(own),
        "PYTHONSAFEPATH": "1",
        "KERNELGATE_NUMBA_CACHE": str(folder / f"numba-{name}"),
    }

"""Settings of all tests: hypothesis repeats the same examples everywhere, numerical libraries keep to one thread.

Tests do not depend on the shell, the `make` or the git hook that starts them: variables that change messages, drawings
or compiled programs are removed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import precompiling

ROOT = Path(__file__).resolve().parent.parent

_INHERITED = (
    "COLUMNS",
    "LINES",
    "FORCE_COLOR",
    "NO_COLOR",
    "MATPLOTLIBRC",
    "SOURCE_DATE_EPOCH",
    "CC",
    "CFLAGS",
    "LDFLAGS",
    "PYTHONDONTWRITEBYTECODE",
)
"""Variables of a shell that change messages, drawings or compiled programs, or make every process compile modules."""

_OF_OTHERS = ("MAKE", "MFLAGS", "GIT_")
"""First letters of those that make and git hooks pass on."""

for _name in [name for name in os.environ if name in _INHERITED or name.startswith(_OF_OTHERS)]:
    del os.environ[_name]
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ["MPLBACKEND"] = "agg"
sys.dont_write_bytecode = False

_COMPILATION = pytest.StashKey[precompiling.Compilation | None]()

settings.register_profile(
    "house",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the inner loops beside the workers, where a fresh clone has none."""
    if getattr(config.option, "numprocesses", None) and not config.option.collectonly:
        config.stash[_COMPILATION] = precompiling.start()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Name the lock of the compilation to a worker."""
    compilation = node.config.stash.get(_COMPILATION, None)
    node.workerinput["precompiling"] = "" if compilation is None else str(compilation.lock)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no process behind."""
    compilation = config.stash.get(_COMPILATION, None)
    if compilation is not None:
        compilation.end()


def _compilation(config: pytest.Config) -> Path | None:
    """Return the file that the compilation locks, in a worker beside which one was started."""
    path = getattr(config, "workerinput", {}).get("precompiling")
    return Path(path) if path else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put tests that need no machine code first while it is compiled."""
    if _compilation(config) is not None:
        items[:] = precompiling.ordered(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wait for the machine code before the first test that needs it."""
    path = _compilation(item.config)
    if path is not None and precompiling.needs_machine_code(item.path):
        precompiling.wait(path)
        item.config.workerinput["precompiling"] = ""  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """Folder of all reference designs, which lies beside the checkout and is not part of it."""
    folder = ROOT.parent / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip("the reference designs are shared beside the checkout, and ../shared/reference is not there")
    return folder

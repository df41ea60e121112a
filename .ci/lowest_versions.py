"""Lowest versions that pyproject.toml allows, as constraints of pip: `name>=1.2` becomes `name==1.2`.

`python .ci/lowest_versions.py [EXTRA ...]` prints the dependencies of the project, and those of the extras named, one
per line. `make test-oldest` installs exactly these, so a bound that no longer works is found.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def lowest(requirement: str) -> str:
    """Return the constraint of the lowest version that a requirement allows.

    Raises:
        ValueError: Without a lower bound, or with anything that is not `name>=version`.
    """
    found = re.fullmatch(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9A-Za-z.]*)", requirement.strip())
    if found is None:
        raise ValueError(f"{PYPROJECT.name}: {requirement!r} must have the form name>=version")
    return f"{found[1]}=={found[2]}"


def constraints(project: dict[str, object], extras: list[str]) -> list[str]:
    """Return the constraints of a project's dependencies and of some of its extras, sorted, without repetition.

    Args:
        project: Table `[project]` of a pyproject.toml.
        extras: Names of optional dependencies.

    Raises:
        ValueError: For an unknown extra, or a requirement without a lower bound.
    """
    optional = project.get("optional-dependencies", {})
    assert isinstance(optional, dict)
    if unknown := sorted(set(extras) - optional.keys()):
        raise ValueError(f"no extra {unknown[0]!r}; {PYPROJECT.name} has {', '.join(optional)}")
    dependencies = project["dependencies"]
    assert isinstance(dependencies, list)
    return sorted({lowest(name) for name in [*dependencies, *(name for extra in extras for name in optional[extra])]})


def main(extras: list[str]) -> int:
    """Print the constraints."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    print("\n".join(constraints(project, extras)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

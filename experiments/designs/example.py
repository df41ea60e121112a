"""The published design that ships with the project."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

EXAMPLE = "tinas2025_har.json"
"""Published network that `plan --example` plans."""


def example_path() -> Path:
    """Return the published design that ships with the project."""
    return Path(str(resources.files("experiments.designs") / "examples" / EXAMPLE))

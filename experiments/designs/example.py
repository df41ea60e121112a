"""Built-in published design."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

EXAMPLE = "tinas2025_har.json"
"""Published network that `plan --example` plans."""


def example_path() -> Path:
    """Return the path of the built-in published design."""
    return Path(str(resources.files("experiments.designs") / "examples" / EXAMPLE))

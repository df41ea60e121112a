"""Exit codes and JSON output of the commands."""

from __future__ import annotations

import json
from typing import Any

INFEASIBLE, MISTAKE, INTERRUPTED = 1, 2, 130
"""Exit codes: nothing feasible, a mistake of the caller, interrupted."""


def print_json(value: Any) -> None:
    """Print one JSON object with full precision."""
    print(json.dumps(value, indent=1, allow_nan=False))

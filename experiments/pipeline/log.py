"""The log of a run, the wall times of its stages, and what a person reads of an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from experiments.storage.files import append_log
from models.training.supernet_trainer import EpochLog


@dataclass
class StageTimes:
    """Wall time of each stage in this process. [s]"""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Measure a block and add its time to the stage."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start_s


def epoch_progress(entry: EpochLog) -> str:
    """Return the loss of an epoch as text, with the accuracies of networks with shared weights where it has them."""
    text = f"loss {entry.loss:.3f}"
    if math.isfinite(entry.accuracy_inherited_val_largest):
        names = ("largest", "random", "smallest")
        shown = (f"{name} {100 * getattr(entry, f'accuracy_inherited_val_{name}'):.0f} %" for name in names)
        text += f", on validation {', '.join(shown)}"
    return text


def as_json(entry: Any) -> dict[str, Any]:
    """Return the fields of a log entry as JSON types; numbers that are not finite become null."""
    return {key: _json_value(value) for key, value in asdict(entry).items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def append_to(path: Path) -> Callable[[dict[str, Any]], None]:
    """Return a function that adds entries, with the time of day, to a log file."""

    def log(entry: dict[str, Any]) -> None:
        append_log(path, {"time_s": round(time.time(), 3), **entry})

    return log

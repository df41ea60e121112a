"""`evaluate`: accuracies of a stored design again, from its weights, against what the table says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy.checks import closest
from experiments.columns import read_table
from experiments.config import read_config
from experiments.tables import table
from experiments.workload import look_up
from models.accuracy import correct
from models.subnet import Subnet

SPLITS = ("val", "test")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Accuracies of one design.

    Attributes:
        id: The design.
        architecture: Its network.
        computed: Accuracy by column, from the stored weights. [1]
        stored: The same columns of `fronts`. [1]
    """

    id: str
    architecture: str
    computed: dict[str, float]
    stored: dict[str, float]

    @property
    def is_equal(self) -> bool:
        """Whether all accuracies are exactly those of the table."""
        return self.computed == self.stored

    def to_dict(self) -> dict[str, Any]:
        """The answer of `evaluate --json`."""
        return {
            "id": self.id,
            "architecture": self.architecture,
            **self.computed,
            "stored": self.stored,
            "is_equal": self.is_equal,
        }

    def text(self) -> str:
        """The answer for a person."""
        verdict = "exactly as stored" if self.is_equal else "NOT as stored"
        columns = ((name, self.computed[name], self.stored[name]) for name in self.computed)
        rows = [(name, f"{100 * computed:.4f} %", f"{100 * stored:.4f} %") for name, computed, stored in columns]
        return f"{self.id} ({self.architecture}): {verdict}\n\n{table(('accuracy', 'computed', 'stored'), rows)}"


def evaluate_stored(run: Path, design_id: str, *, data_dir: str | None = None) -> Evaluation:
    """Judge a stored design again.

    Args:
        run: The run's folder.
        design_id: An id of its `fronts`.
        data_dir: Folder of the data set, in place of the config's: runs travel.

    Raises:
        ValueError: There is no such run or design, or its weights are missing or damaged.
    """
    config = read_config(str(run), data_dir=data_dir)
    rows = {row["id"]: row for row in read_table(run / "fronts.parquet")}
    if design_id not in rows:
        raise ValueError(f"ID must be of {run / 'fronts.csv'}, not {design_id!r}{closest(design_id, rows)}")
    row = rows[design_id]
    work = look_up(config)
    path = run / "designs" / f"{design_id}.safetensors"
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        subnet = Subnet.from_bytes(work.space, work.space.decode(row["architecture"]), path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    columns = {f"accuracy_finetuned_{split}": split for split in SPLITS}
    computed = {name: float(correct(subnet, work.data.split(split)).mean()) for name, split in columns.items()}
    return Evaluation(
        id=design_id,
        architecture=row["architecture"],
        computed=computed,
        stored={name: row[name] for name in computed},
    )

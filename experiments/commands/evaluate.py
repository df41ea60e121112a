"""`ebbnas evaluate`: accuracies of a stored design, computed again from its weights and compared with the table."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.commands.output import print_json
from experiments.formatting.table import Table
from experiments.runs.stored_design import stored_design
from models.deploy.accuracy import deployed_correct
from models.evaluation.accuracy import correct

DIFFERENT = 1
"""Exit code where an accuracy of the weights differs from the table."""

SPLITS = ("val", "test")


def evaluate(options: argparse.Namespace) -> int:
    """Run `ebbnas evaluate`."""
    result = evaluate_stored(Path(options.run), options.id, data_dir=options.data_dir)
    if options.json:
        print_json(result.to_dict())
    else:
        print(result.text())
    return 0 if result.is_equal else DIFFERENT


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Accuracies of one design.

    Attributes:
        id: Id of the design.
        architecture: Its network.
        computed: Accuracy by column, from the stored weights. [1]
        stored: The same columns of `fronts`. [1]
    """

    id: str
    architecture: str
    computed: dict[str, float]
    stored: dict[str, float | None]

    @property
    def is_equal(self) -> bool:
        """Whether all accuracies equal those of the table."""
        return self.computed == self.stored

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of `evaluate --json`."""
        return {
            "id": self.id,
            "architecture": self.architecture,
            **self.computed,
            "stored": self.stored,
            "is_equal": self.is_equal,
        }

    def text(self) -> str:
        """Return the answer for a person."""
        verdict = "exactly as stored" if self.is_equal else "NOT as stored"
        columns = ((name, self.computed[name], self.stored[name]) for name in self.computed)
        rows = [(name, _percent(computed), _percent(stored)) for name, computed, stored in columns]
        shown = Table(("accuracy", "computed", "stored"), rows).to_text()
        return f"{self.id} ({self.architecture}): {verdict}\n\n{shown}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.4f} %"


def evaluate_stored(run: Path, design_id: str, *, data_dir: str | None = None) -> Evaluation:
    """Evaluate a stored design again.

    Args:
        run: The run's folder.
        design_id: An id of its `fronts`.
        data_dir: Folder of the data set, in place of the config's, for a run that was moved.

    Raises:
        ValueError: Run, design or weights are not found, or the weights are damaged.
    """
    stored = stored_design(run, design_id, data_dir=data_dir)
    row, work, subnet = stored.row, stored.work, stored.subnet()
    computed = {
        f"accuracy_finetuned_{split}": float(correct(subnet, work.data.split(split)).mean()) for split in SPLITS
    }
    if row.accuracy_deployed_val is not None:
        network = stored.integer_network()
        for split in SPLITS:
            right = deployed_correct(network, work.data.split(split))
            computed[f"accuracy_deployed_{split}"] = float(right.mean())
    return Evaluation(
        id=design_id,
        architecture=row.architecture,
        computed=computed,
        stored={name: row.number(name) for name in computed},
    )

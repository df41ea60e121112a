"""`ebbnas card`: how far the accuracies of a run can be trusted, in sections (`experiments.cards.sections`)."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.cards.front_training import front_networks
from experiments.cards.sections import SECTIONS, Effort
from experiments.commands.output import print_json
from experiments.config.read import read_config
from experiments.formatting.quantities import whole
from experiments.parallel.progress import Reporter
from experiments.pipeline.run import Run
from experiments.storage.files import read_mapping, write_json
from experiments.storage.keys import SCHEMA
from experiments.storage.run_folder import require_run_folder


def card(options: argparse.Namespace) -> int:
    """Run `ebbnas card`."""
    least = {"networks": 0, "seeds": 1, "folds": 1}
    numbers = {name: whole(f"--{name}", getattr(options, name), least=one) for name, one in least.items()}
    effort = Effort(**numbers, front=options.front)
    run = _run(Path(options.run))
    reporter = Reporter(quiet=options.quiet or options.json)
    if effort.front:
        # Missing fronts are an error now, not after hours.
        front_networks(run.stages(reporter), run.folder)
    sections = [section for make in SECTIONS if (section := make(run, effort, reporter)) is not None]
    found = {section.key: section.to_dict() for section in sections}
    before = read_mapping(run.folder / "card.json") or {}
    write_json(run.folder / "card.json", {**before, "schema": SCHEMA, **found})
    if options.json:
        print_json(found)
    else:
        print("\n\n".join(section.text() for section in sections))
    return 0


def _run(folder: Path) -> Run:
    """Return the run in a folder that lies beside its cache."""
    require_run_folder(folder)
    run = Run.of(read_config(str(folder)), source=str(folder), root=folder.resolve().parent.parent)
    if run.folder.resolve() != folder.resolve():
        rule = f"must lie where it was made, as {run.folder.parent.name}/{run.folder.name} beside its cache"
        raise ValueError(f"{folder}: {rule}; its card would need everything trained again")
    run.require_own_weights()
    return run

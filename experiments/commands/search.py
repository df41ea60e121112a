"""`ebbnas search`: fronts of accuracy and latency, one per capacitor."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.commands.output import INFEASIBLE, print_json
from experiments.config.read import read_config
from experiments.config.sections import EFFORT


def search(options: argparse.Namespace) -> int:
    """Run `ebbnas search`."""
    config = read_config(
        options.config,
        settings=[*options.set, *_efforts(options.extend)],
        budgets=options.budgets,
        data_dir=options.data_dir,
    )
    from experiments.pipeline.run import Run  # after the config: a mistake in it is answered before torch is loaded

    run = Run.of(config, source=options.config, root=Path(options.root))
    outcome = run.execute(fresh=options.fresh, quiet=options.quiet or options.json)
    if options.json:
        print_json(outcome.to_dict())
    else:
        print(outcome.text())
    return 0 if outcome.feasible else INFEASIBLE


def _efforts(settings: list[str]) -> list[str]:
    for setting in settings:
        if setting.partition("=")[0].strip() not in [f"search.{name}" for name in EFFORT]:
            raise ValueError(f"--extend must change {' or '.join(f'search.{n}' for n in EFFORT)}, not {setting!r}")
    return settings

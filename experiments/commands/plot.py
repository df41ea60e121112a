"""`ebbnas plot`: figures of a run, drawn from its files."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.commands.output import print_json
from experiments.figures.plot import plot_run


def plot(options: argparse.Namespace) -> int:
    """Run `ebbnas plot`."""
    formats = [item.strip() for item in options.format.split(",")]
    beside = [Path(folder) for folder in options.beside]
    paths = plot_run(
        Path(options.run), kind=options.kind, formats=formats, width=options.width, beside=beside, design=options.id
    )
    if options.json:
        print_json({"files": [str(path) for path in paths]})
    else:
        print("\n".join(str(path) for path in paths))
    return 0

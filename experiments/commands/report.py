"""`ebbnas report`: a run as one interactive page, written from its files."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.commands.output import INFEASIBLE, print_json
from experiments.report.data import Report, read_report
from experiments.report.text import counted
from experiments.report.write import write_page
from experiments.runs.summary import REPORT


def report(options: argparse.Namespace) -> int:
    """Run `ebbnas report`."""
    folder = Path(options.run)
    path = folder / REPORT if options.out is None else Path(options.out)
    if path.is_dir():
        raise ValueError(f"--out must be a file, and {path} is a folder")
    found = read_report(folder)
    size_bytes = write_page(found, path)
    n_designs = {front.name: len(front.designs) for front in found.fronts}
    if options.json:
        print_json({"file": str(path), "bytes": size_bytes, "designs": n_designs, "notes": list(found.notes)})
    else:
        print(_sentence(found, path, size_bytes))
    return 0 if all(n_designs.values()) else INFEASIBLE


def _sentence(found: Report, path: Path, size_bytes: int) -> str:
    fronts = ", ".join(f"{counted(len(front.designs), 'design')} for {front.name}" for front in found.fronts)
    return f"{path}: {fronts}; {size_bytes / 1e6:.1f} MB, opens in any browser and loads nothing from elsewhere"

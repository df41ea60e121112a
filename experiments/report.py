"""`ebbnas report`: a run as one interactive page, written from its files."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.cli import INFEASIBLE, print_json
from experiments.outcome import REPORT
from experiments.report_data import Report, read_report
from experiments.report_page import page
from experiments.report_text import counted
from experiments.store import write_text


def report(options: argparse.Namespace) -> int:
    """`ebbnas report`."""
    folder = Path(options.run)
    path = folder / REPORT if options.out is None else Path(options.out)
    if path.is_dir():
        raise ValueError(f"--out must be a file, and {path} is a folder")
    found = read_report(folder)
    size_bytes = _write(found, path)
    n_designs = {front.name: len(front.designs) for front in found.fronts}
    if options.json:
        print_json({"file": str(path), "bytes": size_bytes, "designs": n_designs, "notes": list(found.notes)})
    else:
        print(_sentence(found, path, size_bytes))
    return 0 if all(n_designs.values()) else INFEASIBLE


def write_report(folder: Path) -> None:
    """Write the page of a finished run into its folder."""
    _write(read_report(folder), folder / REPORT)


def _write(found: Report, path: Path) -> int:
    """Write the page.

    Returns:
        Its size. [B]
    """
    text = page(found)
    write_text(path, text)
    return len(text.encode())


def _sentence(found: Report, path: Path, size_bytes: int) -> str:
    fronts = ", ".join(f"{counted(len(front.designs), 'design')} for {front.name}" for front in found.fronts)
    return f"{path}: {fronts}; {size_bytes / 1e6:.1f} MB, opens in any browser and loads nothing from elsewhere"

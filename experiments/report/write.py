"""The report of a run as a file."""

from __future__ import annotations

from pathlib import Path

from experiments.report.data import Report, read_report
from experiments.report.page import page
from experiments.runs.summary import REPORT
from experiments.storage.files import write_text


def write_report(folder: Path) -> None:
    """Write the page of a finished run into its folder."""
    write_page(read_report(folder), folder / REPORT)


def write_page(found: Report, path: Path) -> int:
    """Write the page.

    Returns:
        Its size. [B]
    """
    text = page(found)
    write_text(path, text)
    return len(text.encode())

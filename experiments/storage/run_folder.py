"""Names of the files in a run's folder, and the one test for such a folder: it holds a `config.toml`."""

from __future__ import annotations

from pathlib import Path

CONFIG_FILE, MANIFEST_FILE, FRONTS_FILE, FRONTS_CSV = "config.toml", "manifest.json", "fronts.parquet", "fronts.csv"


def is_run_folder(folder: Path) -> bool:
    """Return whether a folder is that of a run, finished or not."""
    return (folder / CONFIG_FILE).is_file()


def require_run_folder(folder: Path) -> None:
    """Demand the folder of a run.

    Raises:
        ValueError: The folder does not exist, or holds no config.
    """
    if not is_run_folder(folder):
        if folder.is_dir():
            found = f"no {CONFIG_FILE} in it"
        else:
            found = "it is a file" if folder.exists() else "folder not found"
        raise ValueError(f"{folder}: must be a run's folder ({found}); `ebbnas runs` lists the runs")

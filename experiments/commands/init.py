"""`ebbnas init`: a commented starter config."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from experiments.commands.output import print_json
from experiments.storage.files import write_text


def init(options: argparse.Namespace) -> int:
    """Run `ebbnas init`."""
    folder = Path(options.dir)
    path = folder / "config.toml"
    if path.exists():
        raise ValueError(f"{path} exists already; nothing is overwritten")
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in folder.resolve().name).lstrip("._-") or "run"
    text = (resources.files("experiments.config") / "built_in" / "watch.toml").read_text()
    write_text(path, text.replace('name = "watch"', f'name = "{name}"', 1))
    if options.json:
        print_json({"config": str(path)})
    else:
        print(f"{path} is written; run it with: ebbnas search {path}")
    return 0

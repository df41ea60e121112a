"""`ebbnas design`: one design of a run on a page of Markdown."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.commands.output import print_json
from experiments.runs.design_card import Card
from experiments.runs.stored_design import stored_design
from experiments.storage.files import write_text


def design(options: argparse.Namespace) -> int:
    """Run `ebbnas design`."""
    card = Card.of(stored_design(Path(options.run), options.id, data_dir=options.data_dir))
    if options.out is not None:
        write_text(Path(options.out), card.text())
    if options.json:
        print_json({**card.to_dict(), "file": options.out})
    else:
        print(card.text() if options.out is None else f"{options.out} is written\n", end="")
    return 0

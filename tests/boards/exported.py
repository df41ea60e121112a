"""Exported folders of random networks for emulated boards, and engines that are wrong on purpose."""

from __future__ import annotations

from pathlib import Path

from experiments.boards.exported import ExportedFolder, read_exported
from tests.support.exported_programs import Case, export

MUTANTS = {
    "commits before its data": (
        "        run_batch(layer, batch);\n        commit(next);",
        "        commit(next);\n        run_batch(layer, batch);",
    ),
    "writes over the partial sums that it read": ("(turn & 1u) * layer", "(turn & 0u) * layer"),
    "trusts operands after a boot": ("        forget_operands();\n        ebb_vm.left_nj", "        ebb_vm.left_nj"),
}
"""What a board must be able to see: a piece of the engine and what stands in its place."""


def exported_case(path: Path, seed: int, **sizes: int) -> ExportedFolder:
    """A random network with a random plan, exported with two test vectors."""
    return read_exported(export(Case.random(seed, **sizes).program(), path / f"case-{seed}"))


def mutate(folder: ExportedFolder, name: str) -> None:
    """Put a mistake into the engine of a folder."""
    engine = folder.path / "runtime" / "ebb.c"
    right, wrong = MUTANTS[name]
    text = engine.read_text()
    assert text.count(right) == 1
    engine.write_text(text.replace(right, wrong))

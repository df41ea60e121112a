"""The modules that may open the test split are those that the documentation of `pipeline.fronts` names."""

from __future__ import annotations

import ast

from tests.conftest import ROOT

OPENERS = {
    "experiments/pipeline/fronts.py",
    "experiments/cards/front_training.py",
    "experiments/commands/evaluate.py",
    "experiments/commands/verify.py",
    "experiments/runs/design_card.py",
}


def may_open_the_test_split(path):
    """Whether a module calls `split` of a data set with anything but the name of another split."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split":
            is_of_data = ast.unparse(node.func.value).split(".")[-1].startswith("data")
            if is_of_data and [ast.unparse(argument) for argument in node.args] not in (["'train'"], ["'val'"]):
                return True
    return False


def test_the_test_split_is_opened_where_it_is_said_to_be_and_nowhere_else():
    modules = [path for package in ("evo", "experiments") for path in (ROOT / package).rglob("*.py")]
    assert {str(path.relative_to(ROOT)) for path in modules if may_open_the_test_split(path)} == OPENERS

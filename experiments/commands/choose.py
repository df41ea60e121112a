"""`ebbnas choose`: one design of a run for a budget, decided on validation, with the reasons in plain sentences.

`evo.fronts.decision` chooses and `experiments.runs.choice_explanation` explains; here the run is read and the answer
printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from energy.validation import require_choice
from evo.fronts.decision import PREFERENCES, Limits
from experiments.commands.output import INFEASIBLE, print_json
from experiments.formatting.quantities import parse, write
from experiments.formatting.table import Table
from experiments.runs.candidates import Candidates, accuracy_kind
from experiments.runs.choice_explanation import ChoiceExplanation
from experiments.runs.finished import KINDS, FinishedRun

_UNITS = {"J": "j", "B": "bytes", "s": "s"}


def choose(options: argparse.Namespace) -> int:
    """Run `ebbnas choose`."""
    require_choice("--prefer", options.prefer, PREFERENCES)
    limits = Limits(
        deadline_s=None if options.deadline is None else parse("deadline", options.deadline, "s"),
        min_accuracy=None if options.min_accuracy is None else parse("min-accuracy", options.min_accuracy, "1"),
    )
    run = FinishedRun.read(Path(options.run))
    budgets = run.budgets if options.budget is None else (run.budget(options.budget),)
    answers = [answer(run, budget, limits, options.prefer) for budget in budgets]
    feasible = any(one["feasible"] for one in answers)
    if options.json:
        print_json(
            {
                "feasible": feasible,
                "run": str(run.folder),
                "prefer": options.prefer,
                "deadline_s": limits.deadline_s,
                "min_accuracy": limits.min_accuracy,
                "choices": answers,
            }
        )
    else:
        print(_text(answers[0]) if len(answers) == 1 else _overview(answers, options.prefer))
    return 0 if feasible else INFEASIBLE


def answer(run: FinishedRun, budget: str, limits: Limits, prefer: str) -> dict[str, Any]:
    """Return the design of a budget as JSON types, with its explanation.

    Args:
        run: The run.
        budget: One of its budgets.
        limits: Limits that the design must keep to.
        prefer: One of `evo.fronts.decision.PREFERENCES`.
    """
    rows = run.of_budget(budget)
    if not rows:
        return _nothing_found(run, budget)
    candidates = Candidates.of(rows, accuracy_kind(run.rows))
    explained = ChoiceExplanation.of(candidates, limits, prefer)
    found = explained.choice
    result: dict[str, Any] = {
        "budget": budget,
        "feasible": found.chosen is not None,
        "id": None,
        "binding_constraint": " and ".join(found.binding) or "none",
        "violations": {"deadline_s": found.late_s, "accuracy": found.short},
        "accuracy_kind": candidates.kind,
        "time_column": candidates.time,
        "n_on_front": len(found.members),
        "knee": explained.summary(found.knee),
    }
    if found.chosen is None:
        return {**result, "design": None, "explanation": explained.why_none()}
    chosen = explained.rows[found.chosen]
    files = {"design": f"designs/{chosen.id}.json", "weights": f"designs/{chosen.id}.safetensors"}
    return {
        **result,
        "id": chosen.id,
        "design": chosen.to_dict(),
        "faster": explained.step(found.chosen - 1),
        "more_accurate": explained.step(found.chosen + 1),
        "files": {what: str(run.folder / name) for what, name in files.items() if (run.folder / name).is_file()},
        "explanation": explained.why(prefer),
    }


def _nothing_found(run: FinishedRun, budget: str) -> dict[str, Any]:
    """Return the answer where the search itself found nothing feasible."""
    misses = [miss for miss in run.manifest.get("infeasible", ()) if miss["budget"] == budget]
    result = {"budget": budget, "feasible": False, "id": None, "design": None}
    if not misses:
        said = "The run has no design of this budget."
        return {**result, "binding_constraint": "none", "violations": {}, "explanation": [said]}
    miss = misses[0]
    said = (
        f"The search found nothing feasible: its least infeasible design, {miss['id']}, breaks the limit of "
        f"{miss['binding_constraint']} by {write(miss['amount'], miss['unit'])}."
    )
    violations = {f"{miss['binding_constraint']}_{_UNITS[miss['unit']]}": miss["amount"]}
    return {
        **result,
        "binding_constraint": miss["binding_constraint"],
        "violations": violations,
        "explanation": [said],
    }


def _text(one: dict[str, Any]) -> str:
    """Return one answer for a person."""
    if not one["feasible"]:
        return f"{one['budget']}: no design. {' '.join(one['explanation'])}"
    row = one["design"]
    lines = [
        f"{one['budget']}: {row['id']}, {row['architecture']}: {_accuracy(one)} % on validation "
        f"({KINDS[one['accuracy_kind']]}), {write(row['latency_s'], 's')}, {row['power_cycles']:,} power "
        f"cycle{'' if row['power_cycles'] == 1 else 's'}, {write(row['energy_j'], 'J')}",
        "",
        *one["explanation"],
        "",
        *(f"{what:<9}{path}" for what, path in one["files"].items()),
    ]
    return "\n".join(lines)


def _overview(answers: Sequence[dict[str, Any]], prefer: str) -> str:
    """Return one line per budget, where none was named."""
    rows, notes = [], []
    for one in answers:
        if not one["feasible"]:
            rows.append((one["budget"], "-", "-", "-", "-", "-", one["binding_constraint"]))
            notes.append(f"{one['budget']}: {' '.join(one['explanation'])}")
            continue
        row = one["design"]
        time, energy = write(row["latency_s"], "s"), write(row["energy_j"], "J")
        cells = (one["budget"], row["id"], row["architecture"], _accuracy(one), time, energy)
        rows.append((*cells, one["binding_constraint"]))
    kinds = {KINDS[one["accuracy_kind"]] for one in answers if one["feasible"]}
    title = f"validation %, {' or '.join(sorted(kinds, reverse=True))}" if kinds else "validation %"
    head = ("budget", "id", "network", title, "latency", "energy", "limit that decided")
    first = (
        f"No budget was named, so one design is chosen for each of {len(answers)} ({prefer}); --budget explains one."
    )
    return "\n".join([first, "", Table(head, rows, text=(0, 1, 2, 6)).to_text(), *(["", *notes] if notes else [])])


def _accuracy(one: dict[str, Any]) -> str:
    column = f"accuracy_{one['accuracy_kind']}_val"
    return f"{100 * one['design'][column]:.1f}"

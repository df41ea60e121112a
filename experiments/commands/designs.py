"""What each command does with its arguments: read, call, print, exit status. Heavy modules are imported where used."""

from __future__ import annotations

import argparse
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from experiments.commands.output import INFEASIBLE, print_json
from experiments.commands.request_options import requests_of
from experiments.designs.example import example_path
from experiments.designs.request import Overrides, Request, read_request
from experiments.storage.files import read_json, write_json, write_text

DIFFERENT = 1
"""Exit status of `evaluate` where the weights do not give the accuracies of the table."""


def price(options: argparse.Namespace) -> int:
    """`ebbnas price`."""
    from experiments.designs import price as answers

    requests = requests_of(options, Path(options.file), with_plan=True)
    return _answer(options, requests, [answers.price(request) for request in requests])


def plan(options: argparse.Namespace) -> int:
    """`ebbnas plan`."""
    from experiments.designs import price as answers

    if options.example == (options.file is not None):
        raise ValueError("plan needs exactly one of a file and --example")
    path = example_path() if options.example else Path(options.file)
    requests = requests_of(options, path, with_plan=False)
    if options.save and len(requests) > 1:
        raise ValueError(f"--save must be used with one design; the file holds {len(requests)}, --select picks one")
    planned = [answers.plan(request) for request in requests]
    results = [answers.price(request) for request in planned]
    if options.save:
        _save(planned[0], results[0], Path(options.save))
    if options.example and not options.json:
        published = read_request(read_json(path), path.parent, Overrides())
        print(answers.beside(answers.price(published), results[0]) + "\n")
    return _answer(options, planned, results)


def _save(request: Request, answer: dict[str, Any], path: Path) -> None:
    if not answer["feasible"]:
        older = "; an older file of that name stays" if path.exists() else ""
        sys.stderr.write(f"ebbnas: nothing feasible, {path} is not written{older}\n")
        return
    if request.deadline_s is not None or not request.uncertainty.is_none:
        sys.stderr.write("ebbnas: note: deadline and harvest uncertainty are options, no part of a design file\n")
    write_json(path, request.to_dict(path.parent))


def _answer(options: argparse.Namespace, requests: list[Request], results: list[dict[str, Any]]) -> int:
    from experiments.designs import price as answers
    from experiments.designs import response_times as sharing

    if options.period is not None:
        sharing.with_periods(options.period, requests, results)

    if options.json:
        print_json(results[0] if len(results) == 1 and not options.is_list else {"results": results})
    elif len(results) == 1:
        print(answers.describe(results[0]))
    else:
        print(answers.overview(results))
    if options.period is not None and not options.json:
        print("\n" + "\n".join(sharing.sentence(result) for result in results))
    is_fine = all(result["feasible"] and result.get("schedulable", True) for result in results)
    return 0 if is_fine else INFEASIBLE


def init(options: argparse.Namespace) -> int:
    """`ebbnas init`."""
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


def search(options: argparse.Namespace) -> int:
    """`ebbnas search`."""
    from experiments.config.schema import read_config

    config = read_config(
        options.config,
        settings=[*options.set, *_efforts(options.extend)],
        budgets=options.budgets,
        data_dir=options.data_dir,
    )
    from experiments.pipeline.run import Run  # after the config: a mistake in it is answered before torch is loaded

    run = Run.of(config, source=options.config, root=Path(options.root))
    outcome = run.execute(fresh=options.fresh, quiet=options.quiet or options.json)
    if options.json:
        print_json(outcome.to_dict())
    else:
        print(outcome.text())
    return 0 if outcome.feasible else INFEASIBLE


def _efforts(settings: list[str]) -> list[str]:
    from experiments.config.schema import EFFORT

    for setting in settings:
        if setting.partition("=")[0].strip() not in [f"search.{name}" for name in EFFORT]:
            raise ValueError(f"--extend must change {' or '.join(f'search.{n}' for n in EFFORT)}, not {setting!r}")
    return settings


def explore(options: argparse.Namespace) -> int:
    """`ebbnas explore`."""
    from experiments.commands.explore import explore_command

    return explore_command(options)


def evaluate(options: argparse.Namespace) -> int:
    """`ebbnas evaluate`."""
    from experiments.commands.evaluate import evaluate_stored

    result = evaluate_stored(Path(options.run), options.id, data_dir=options.data_dir)
    if options.json:
        print_json(result.to_dict())
    else:
        print(result.text())
    return 0 if result.is_equal else DIFFERENT


def plot(options: argparse.Namespace) -> int:
    """`ebbnas plot`."""
    from experiments.figures.plot import plot_run

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

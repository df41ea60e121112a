"""`ebbnas plan`: the best execution plan of a given network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from experiments.commands.answers import print_answers
from experiments.commands.request_options import Requests, path_or_example, requests_of
from experiments.designs import price as answers
from experiments.designs.request import Overrides, Request
from experiments.designs.request_files import read_request
from experiments.storage.files import read_json, write_json


def plan(options: argparse.Namespace) -> int:
    """Run `ebbnas plan`."""
    path = path_or_example("plan", options)
    requests = requests_of(options, path, with_plan=False)
    n_designs = len(requests.designs)
    if options.save and n_designs > 1:
        raise ValueError(f"--save must be used with one design; the file holds {n_designs}, --select picks one")
    planned = [answers.plan(request) for request in requests.designs]
    results = [answers.price(request) for request in planned]
    if options.save:
        _save(planned[0], results[0], Path(options.save))
    if options.example and not options.json:
        published = read_request(read_json(path), path.parent, Overrides())
        print(answers.beside(answers.price(published), results[0]) + "\n")
    return print_answers(options, Requests(designs=planned, is_list=requests.is_list), results)


def _save(request: Request, answer: answers.Answer, path: Path) -> None:
    if not answer["feasible"]:
        older = "; an older file of that name stays" if path.exists() else ""
        sys.stderr.write(f"ebbnas: nothing feasible, {path} is not written{older}\n")
        return
    if request.deadline_s is not None or not request.uncertainty.is_none:
        sys.stderr.write("ebbnas: note: deadline and harvest uncertainty are options, no part of a design file\n")
    write_json(path, request.to_dict(path.parent))

"""`ebbnas price`: energy, latency and memory of given networks under given plans."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.commands.answers import print_answers
from experiments.commands.request_options import requests_of
from experiments.designs import price as answers


def price(options: argparse.Namespace) -> int:
    """Run `ebbnas price`."""
    requests = requests_of(options, Path(options.file), with_plan=True)
    return print_answers(options, requests, [answers.price(request) for request in requests.designs])

"""Answers of `plan` and `price` as text or JSON, with their exit code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from experiments.commands.output import INFEASIBLE, print_json
from experiments.commands.request_options import Requests
from experiments.designs.price import Answer, describe, overview
from experiments.designs.response_times import sentence as response_sentence
from experiments.designs.response_times import with_periods


def print_answers(options: argparse.Namespace, requests: Requests, results: Sequence[Answer]) -> int:
    """Print priced designs, with response times where `--period` is given; return the exit code."""
    if options.period is not None:
        with_periods(options.period, requests.designs, results)

    if options.json:
        print_json(results[0] if len(results) == 1 and not requests.is_list else {"results": list(results)})
    elif len(results) == 1:
        print(describe(results[0]))
    else:
        print(overview(results))
    if options.period is not None and not options.json:
        print("\n" + "\n".join(response_sentence(result) for result in results))
    is_fine = all(result["feasible"] and result.get("schedulable", True) for result in results)
    return 0 if is_fine else INFEASIBLE

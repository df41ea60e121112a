"""Table of all commands: name, help, arguments, and the function that runs it.

A new command is a module of its name in this folder, its arguments in `experiments.commands.arguments`, and a function
here. The module of a command is imported when the command runs, so that `--help`, `price` and `plan` load neither torch
nor pymoo.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from experiments.commands import arguments

Options = argparse.Namespace


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command.

    Attributes:
        name: Its name.
        text: Its purpose, for the help.
        add_arguments: Function that declares its own arguments; `--json` and `--quiet` are common to all.
        run: Function that runs it and returns its exit code.
    """

    name: str
    text: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Options], int]


_commands: list[Command] = []


def _command(
    add_arguments: Callable[[argparse.ArgumentParser], None] = arguments.add_nothing,
) -> Callable[[Callable[[Options], int]], Callable[[Options], int]]:
    """Add a function to the table: its name is that of the command, its docstring the help."""

    def add(run: Callable[[Options], int]) -> Callable[[Options], int]:
        text = run.__doc__ or ""
        _commands.append(
            Command(
                name=run.__name__, text=text[:1].lower() + text[1:].rstrip("."), add_arguments=add_arguments, run=run
            )
        )
        return run

    return add


@_command(arguments.add_plan)
def plan(options: Options) -> int:
    """Find the best execution plan of a given network."""
    from experiments.commands.plan import plan as run

    return run(options)


@_command(arguments.add_price)
def price(options: Options) -> int:
    """Price a given network with a given plan."""
    from experiments.commands.price import price as run

    return run(options)


@_command(arguments.add_simulate)
def simulate(options: Options) -> int:
    """Simulate a planned design under a harvest."""
    from experiments.commands.simulate import simulate as run

    return run(options)


@_command(arguments.add_replan)
def replan(options: Options) -> int:
    """Compare published designs with our plans of their networks."""
    from experiments.commands.replan import replan as run

    return run(options)


@_command(arguments.add_ablate)
def ablate(options: Options) -> int:
    """Measure the gain of each choice of planner and runtime."""
    from experiments.commands.ablate import ablate as run

    return run(options)


@_command(arguments.add_search)
def search(options: Options) -> int:
    """Search fronts of accuracy and latency, one per capacitor."""
    from experiments.commands.search import search as run

    return run(options)


@_command(arguments.add_init)
def init(options: Options) -> int:
    """Write a commented starter config."""
    from experiments.commands.init import init as run

    return run(options)


@_command(arguments.add_explore)
def explore(options: Options) -> int:
    """Compute the exact latency of every network of a space."""
    from experiments.commands.explore import explore as run

    return run(options)


@_command(arguments.add_robust)
def robust(options: Options) -> int:
    """Find designs that are safe on several supplies at once."""
    from experiments.commands.robust import robust as run

    return run(options)


@_command(arguments.add_evaluate)
def evaluate(options: Options) -> int:
    """Compute the accuracies of a stored design again."""
    from experiments.commands.evaluate import evaluate as run

    return run(options)


@_command(arguments.add_card)
def card(options: Options) -> int:
    """Assess the accuracies of a run: predictor, shared weights, fronts."""
    from experiments.commands.card import card as run

    return run(options)


@_command(arguments.add_plot)
def plot(options: Options) -> int:
    """Draw figures of a run from its files."""
    from experiments.commands.plot import plot as run

    return run(options)


@_command(arguments.add_calibrate)
def calibrate(options: Options) -> int:
    """Fit a device file to micro-benchmarks."""
    from experiments.commands.calibrate import calibrate as run

    return run(options)


@_command(arguments.add_network)
def network(options: Options) -> int:
    """Read the NETWORK.json of an ONNX file or a torch module."""
    from experiments.commands.network import network as run

    return run(options)


@_command(arguments.add_export)
def export(options: Options) -> int:
    """Export the trained network of a design as a C program, ONNX file or torch module."""
    from experiments.commands.export import export as run

    return run(options)


@_command(arguments.add_verify)
def verify(options: Options) -> int:
    """Verify an exported program: bits, counts, power failures."""
    from experiments.commands.verify import verify as run

    return run(options)


@_command(arguments.add_design)
def design(options: Options) -> int:
    """Describe one design of a run on a page of Markdown."""
    from experiments.commands.design import design as run

    return run(options)


@_command(arguments.add_report)
def report(options: Options) -> int:
    """Write one interactive page of a run."""
    from experiments.commands.report import report as run

    return run(options)


@_command(arguments.add_choose)
def choose(options: Options) -> int:
    """Choose one design of a run per capacitor, with the reasons."""
    from experiments.commands.choose import choose as run

    return run(options)


@_command(arguments.add_compare)
def compare(options: Options) -> int:
    """Compare the fronts of finished runs."""
    from experiments.commands.compare import compare as run

    return run(options)


@_command(arguments.add_table)
def table(options: Options) -> int:
    """Print the fronts of a run as a table."""
    from experiments.commands.table import table as run

    return run(options)


@_command(arguments.add_grid)
def grid(options: Options) -> int:
    """Run scripted grids of experiments."""
    from experiments.commands.grid import grid as run

    return run(options)


@_command(arguments.add_runs)
def runs(options: Options) -> int:
    """List the runs under a folder, with their results."""
    from experiments.commands.runs import runs as run

    return run(options)


@_command()
def devices(options: Options) -> int:
    """List built-in devices."""
    from experiments.commands.lists import devices as run

    return run(options)


@_command()
def supplies(options: Options) -> int:
    """List built-in power supplies."""
    from experiments.commands.lists import supplies as run

    return run(options)


@_command()
def spaces(options: Options) -> int:
    """List search spaces."""
    from experiments.commands.lists import spaces as run

    return run(options)


@_command(arguments.add_datasets)
def datasets(options: Options) -> int:
    """List data sets, and the files found for them."""
    from experiments.commands.lists import datasets as run

    return run(options)


COMMANDS = tuple(_commands)
"""All commands, in the order of the help."""

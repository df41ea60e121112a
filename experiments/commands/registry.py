"""Table of all commands: name, help, arguments, and the function that runs it.

A new command is a module of its name in this folder, its arguments in `experiments.commands.arguments`, and a row here.
The module of a command is imported when the command runs, so that `--help`, `price` and `plan` load neither torch nor
pymoo.
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


def _plan(options: Options) -> int:
    from experiments.commands.plan import plan

    return plan(options)


def _price(options: Options) -> int:
    from experiments.commands.price import price

    return price(options)


def _simulate(options: Options) -> int:
    from experiments.commands.simulate import simulate

    return simulate(options)


def _replan(options: Options) -> int:
    from experiments.commands.replan import replan

    return replan(options)


def _ablate(options: Options) -> int:
    from experiments.commands.ablate import ablate

    return ablate(options)


def _search(options: Options) -> int:
    from experiments.commands.search import search

    return search(options)


def _init(options: Options) -> int:
    from experiments.commands.init import init

    return init(options)


def _explore(options: Options) -> int:
    from experiments.commands.explore import explore

    return explore(options)


def _robust(options: Options) -> int:
    from experiments.commands.robust import robust

    return robust(options)


def _evaluate(options: Options) -> int:
    from experiments.commands.evaluate import evaluate

    return evaluate(options)


def _card(options: Options) -> int:
    from experiments.commands.card import card

    return card(options)


def _plot(options: Options) -> int:
    from experiments.commands.plot import plot

    return plot(options)


def _calibrate(options: Options) -> int:
    from experiments.commands.calibrate import calibrate

    return calibrate(options)


def _network(options: Options) -> int:
    from experiments.commands.network import network

    return network(options)


def _export(options: Options) -> int:
    from experiments.commands.export import export

    return export(options)


def _verify(options: Options) -> int:
    from experiments.commands.verify import verify

    return verify(options)


def _design(options: Options) -> int:
    from experiments.commands.design import design

    return design(options)


def _report(options: Options) -> int:
    from experiments.commands.report import report

    return report(options)


def _choose(options: Options) -> int:
    from experiments.commands.choose import choose

    return choose(options)


def _compare(options: Options) -> int:
    from experiments.commands.compare import compare

    return compare(options)


def _table(options: Options) -> int:
    from experiments.commands.table import table

    return table(options)


def _grid(options: Options) -> int:
    from experiments.commands.grid import grid

    return grid(options)


def _runs(options: Options) -> int:
    from experiments.commands.runs import runs

    return runs(options)


def _devices(options: Options) -> int:
    from experiments.commands.lists import devices

    return devices(options)


def _supplies(options: Options) -> int:
    from experiments.commands.lists import supplies

    return supplies(options)


def _spaces(options: Options) -> int:
    from experiments.commands.lists import spaces

    return spaces(options)


def _datasets(options: Options) -> int:
    from experiments.commands.lists import datasets

    return datasets(options)


COMMANDS = (
    Command(name="plan", text="best execution plan of a given network", add_arguments=arguments.add_plan, run=_plan),
    Command(
        name="price", text="price a given network with a given plan", add_arguments=arguments.add_price, run=_price
    ),
    Command(
        name="simulate",
        text="simulate a planned design under a harvest",
        add_arguments=arguments.add_simulate,
        run=_simulate,
    ),
    Command(
        name="replan",
        text="published designs beside our plans of their networks",
        add_arguments=arguments.add_replan,
        run=_replan,
    ),
    Command(
        name="ablate",
        text="gain of each choice of planner and runtime",
        add_arguments=arguments.add_ablate,
        run=_ablate,
    ),
    Command(
        name="search",
        text="fronts of accuracy and latency, one per capacitor",
        add_arguments=arguments.add_search,
        run=_search,
    ),
    Command(name="init", text="write a commented starter config", add_arguments=arguments.add_init, run=_init),
    Command(
        name="explore",
        text="exact latency of every network of a space",
        add_arguments=arguments.add_explore,
        run=_explore,
    ),
    Command(
        name="robust", text="designs safe on several supplies at once", add_arguments=arguments.add_robust, run=_robust
    ),
    Command(
        name="evaluate",
        text="compute the accuracies of a stored design again",
        add_arguments=arguments.add_evaluate,
        run=_evaluate,
    ),
    Command(
        name="card",
        text="trust in the accuracies of a run: predictor, shared weights, fronts",
        add_arguments=arguments.add_card,
        run=_card,
    ),
    Command(name="plot", text="draw figures of a run from its files", add_arguments=arguments.add_plot, run=_plot),
    Command(
        name="calibrate",
        text="device file from micro-benchmarks",
        add_arguments=arguments.add_calibrate,
        run=_calibrate,
    ),
    Command(
        name="network",
        text="NETWORK.json of an ONNX file or a torch module",
        add_arguments=arguments.add_network,
        run=_network,
    ),
    Command(
        name="export",
        text="trained network of a design as a C program, ONNX file or torch module",
        add_arguments=arguments.add_export,
        run=_export,
    ),
    Command(
        name="verify",
        text="verify an exported program: bits, counts, power failures",
        add_arguments=arguments.add_verify,
        run=_verify,
    ),
    Command(
        name="design", text="one design of a run on a page of Markdown", add_arguments=arguments.add_design, run=_design
    ),
    Command(name="report", text="one interactive page of a run", add_arguments=arguments.add_report, run=_report),
    Command(
        name="choose",
        text="one design of a run per capacitor, with the reasons",
        add_arguments=arguments.add_choose,
        run=_choose,
    ),
    Command(
        name="compare", text="compare the fronts of finished runs", add_arguments=arguments.add_compare, run=_compare
    ),
    Command(name="table", text="fronts of a run as a table", add_arguments=arguments.add_table, run=_table),
    Command(name="grid", text="scripted grids of experiments", add_arguments=arguments.add_grid, run=_grid),
    Command(
        name="runs",
        text="list the runs under a folder, with their results",
        add_arguments=arguments.add_runs,
        run=_runs,
    ),
    Command(name="devices", text="list built-in devices", add_arguments=arguments.add_nothing, run=_devices),
    Command(name="supplies", text="list built-in power supplies", add_arguments=arguments.add_nothing, run=_supplies),
    Command(name="spaces", text="list search spaces", add_arguments=arguments.add_nothing, run=_spaces),
    Command(
        name="datasets",
        text="list data sets, and the files found for them",
        add_arguments=arguments.add_datasets,
        run=_datasets,
    ),
)
"""All commands, in the order of the help."""

"""The command `ebbnas`: reads arguments, calls one module a command, turns outcomes into exit codes.

0 done, 1 nothing feasible, 2 the caller's mistake (one line on stderr, nothing on stdout), 130 interrupted.
Only what a command needs is imported, so `--help`, `price` and `plan` load neither torch nor pymoo.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

from energy.validation import closest
from experiments.commands.output import INTERRUPTED, MISTAKE


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are exceptions of one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong in place of printing the usage."""
        raise ValueError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; those of the process where None.

    Returns:
        Exit status.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))
        return MISTAKE
    except (ValueError, OverflowError, RecursionError) as error:
        _say(" ".join(str(error).split()))
        return MISTAKE


def _say(message: str) -> None:
    sys.stderr.write(f"ebbnas: {message}\n")


def _run(arguments: list[str]) -> int:
    parser, commands = _parser()
    names = list(commands)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in names:
        name = arguments[0]
        raise ValueError(f"there is no command {name!r}{closest(name, names) or '; see ebbnas --help'}")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = commands[options.command]._option_string_actions if options.command else ()
        raise ValueError(f"there is no option {unknown[0]!r}{closest(unknown[0], known)}")
    if options.command is None:
        parser.print_help()
        return 0
    module, function = options.handler
    handler: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
    return handler(options)


def _parser() -> tuple[Parser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser, and those of the commands by name."""
    parser = Parser(
        prog="ebbnas",
        description="Neural architecture search for devices whose power comes and goes.",
        epilog="Exit status: 0 done, 1 nothing feasible, 2 a mistake in the call, 130 interrupted.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for add in (
        _add_plan, _add_price, _add_simulate, _add_replan, _add_ablate, _add_search, _add_init, _add_explore,
        _add_robust, _add_evaluate, _add_card, _add_plot, _add_calibrate, _add_network, _add_export, _add_verify,
        _add_design, _add_report, _add_choose, _add_compare, _add_table, _add_grid, _add_runs, _add_lists,
    ):  # fmt: skip
        add(commands)
    return parser, commands.choices


Commands = Any
"""The sub-parsers of argparse, whose type is private."""


def _command(
    commands: Commands, name: str, text: str, module: str = "experiments.commands.designs"
) -> argparse.ArgumentParser:
    """Return a command that the function of its name in `module` handles."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.set_defaults(handler=(module, name))
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--quiet", action="store_true", help="no progress")
    return command


def _add_search(commands: Commands) -> None:
    command = _command(commands, "search", "fronts of accuracy and latency, one a budget")
    command.add_argument("config", metavar="CONFIG", help="a TOML file, a shipped name (watch), or a run's folder")
    _add_config_options(command)
    command.add_argument(
        "--extend",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="more effort for the same run, such as search.evaluations=2000",
    )
    command.add_argument("--fresh", action="store_true", help="ignore and replace what the cache holds")


def _add_config_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="such as search.evaluations=500; again for more"
    )
    command.add_argument("--budgets", help="capacitances: 47uF,100uF,470uF")
    command.add_argument("--data-dir", metavar="DIR", help="folder of the data set")
    command.add_argument("--root", default=".", metavar="DIR", help="where runs/ and cache/ lie (default: here)")


def _add_init(commands: Commands) -> None:
    command = _command(commands, "init", "write a commented starter config")
    command.add_argument("dir", metavar="DIR", help="folder for the config, made where it is not there")


def _add_request_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--select", metavar="NAME", help="one design of a list")
    command.add_argument("--device", help="name or TOML file (default: the file's, msp430fr5994-tinas2025)")
    command.add_argument("--supply", help="name or TOML file (default: the file's, tinas2025 at 5 mF)")
    command.add_argument("--capacitance", help="such as 470uF")
    command.add_argument("--resistance", help="of the harvester, such as 2.8kohm")
    command.add_argument("--usable-fraction", help="share of the stored energy that may be planned for")
    command.add_argument("--vm-bytes", help="volatile memory, such as 2048 or 2KiB")
    command.add_argument("--policy", help="packed (default) or one-batch-per-cycle")
    command.add_argument("--counting", help="exact or published (default: that of the policy)")
    command.add_argument("--cuts", help="where packed power cycles end: optimal (default) or greedy")
    command.add_argument("--rules", help="designs that plan may choose: ebbnas (default), inas2021, tinas2025")
    command.add_argument("--max-vector", metavar="N", help="longest vector that may be chosen (default: as measured)")
    command.add_argument("--deadline", help="what the worst-case latency must not exceed, such as 60s")
    command.add_argument("--harvest-uncertainty", metavar="FACTOR", help="worst case up to that resistance")
    command.add_argument("--starts-empty", action="store_true", help="worst case with an empty capacitor at the start")
    command.add_argument("--fuse", choices=("yes", "no"), help="merge batch norm and ReLU into convolutions")


def _add_plan(commands: Commands) -> None:
    command = _command(commands, "plan", "best execution plan of a given network")
    command.add_argument(
        "file", nargs="?", metavar="NETWORK.json|DESIGN.json", help="of `network`, `plan --save` or a run"
    )
    command.add_argument("--example", action="store_true", help="plan a published network that ships with the project")
    command.add_argument("--save", metavar="FILE", help="write the answer as a DESIGN.json")
    command.add_argument("--period", help="of each inference, such as 60s or 60s,90s: response times on one device")
    _add_request_options(command)


def _add_price(commands: Commands) -> None:
    command = _command(commands, "price", "price a given network with a given plan")
    command.add_argument("file", metavar="DESIGN.json", help="of `plan --save` or a run's designs/")
    command.add_argument("--period", help="of each inference, such as 60s or 60s,90s: response times on one device")
    _add_request_options(command)


def _add_simulate(commands: Commands) -> None:
    command = _command(commands, "simulate", "play a planned design under a harvest", "experiments.commands.simulate")
    command.add_argument("file", metavar="DESIGN.json", help="of `plan --save` or a run's designs/")
    harvests = "TRACE.csv, constant:R=2.8kohm,V=5.9V, constant:P=1mW, random:R=1.25,V=0.95 or solar:lat=,lon=,date=,..."
    command.add_argument("--harvest", default="constant", help=f"{harvests} (default: the supply's own, constant)")
    command.add_argument("--seeds", help="how many harvests are played (default: 100, of a constant one 1)")
    command.add_argument("--seed", default="0", help="of the random numbers")
    command.add_argument("--inferences", default="1", metavar="N", help="that many in a row")
    command.add_argument("--charges-while-active", action="store_true", help="the harvester charges all the time")
    command.add_argument("--leakage", default="0", help="of the capacitor, such as 1uA")
    command.add_argument("--esr", default="0", help="series resistance of the capacitor, such as 1ohm")
    command.add_argument("--max-time", help="simulated time after which a seed is given up (default: 7d)")
    command.add_argument("--out", metavar="DIR", help="where the time line of the first seed and its figure go")
    command.add_argument("--format", default="pdf,png", help="of the figure: pdf, png, svg, several with commas")
    command.add_argument("--width", default="ieee1", help="of the figure: ieee1, ieee2, acm1 or slide")
    _add_request_options(command)


def _add_replan(commands: Commands) -> None:
    text = "published designs and our plans of their networks, side by side"
    command = _command(commands, "replan", text, "experiments.commands.replan")
    command.add_argument("file", nargs="?", metavar="DESIGN.json", help="published designs: one, or a list")
    command.add_argument("--example", action="store_true", help="the published design that ships with the project")
    command.add_argument("--select", metavar="NAME", help="one design of a list")
    command.add_argument("--simulate", action="store_true", help="play every new plan under its nominal harvester too")


def _add_ablate(commands: Commands) -> None:
    command = _command(
        commands, "ablate", "what each choice of planner and runtime is worth", "experiments.commands.ablate"
    )
    command.add_argument(
        "file", nargs="?", metavar="NETWORK.json|DESIGN.json", help="of `network`, `plan --save` or a run"
    )
    command.add_argument("--example", action="store_true", help="the published network that ships with the project")
    command.add_argument("--select", metavar="NAME", help="one design of a list")
    command.add_argument("--capacitance", help="such as 470uF, in place of the file's")
    command.add_argument("--resistance", help="of the harvester, such as 2.8kohm")
    command.add_argument("--max-vector", metavar="N", help="of the row with longer vectors (default: 4 x measured)")


def _add_explore(commands: Commands) -> None:
    command = _command(commands, "explore", "exact latency of every network of a space")
    given = "a run's folder, a table architecture, accuracy, or the stated formula"
    command.add_argument("space", metavar="SPACE", help="such as conv1d-3")
    command.add_argument("--accuracies", metavar="RUN|TABLE|stated", help=given)
    command.add_argument("--sample", help="that many random networks in place of all")
    command.add_argument("--seed", default="0", help="of the sample")
    command.add_argument("--networks", metavar="TABLE", help="those of its column architecture in place of all")
    command.add_argument("--budgets", help="capacitances (default: 47uF,100uF,470uF)")
    command.add_argument("--device", default="msp430fr5994-tinas2025", help="name or TOML file")
    command.add_argument("--supply", default="tinas2025", help="name or TOML file")
    command.add_argument("--resistance", help="of the harvester, such as 2.8kohm")
    command.add_argument("--rules", default="ebbnas", help="ebbnas, inas2021 or tinas2025")
    command.add_argument("--policy", default="packed", help="packed or one-batch-per-cycle")
    command.add_argument("--out", default=".", metavar="DIR", help="where explore.parquet and explore.csv go")


def _add_robust(commands: Commands) -> None:
    command = _command(commands, "robust", "designs safe on several supplies at once", "experiments.commands.robust")
    command.add_argument("run", metavar="RUN", help="a run's folder, which gives the accuracies")
    command.add_argument("--budgets", help="capacitances (default: those of the run)")
    factors = "each budget with its resistance times each of these (default: 1,1.5)"
    command.add_argument("--resistance-factors", default="1,1.5", metavar="F,F", help=factors)
    command.add_argument("--over", default="worst", help="which latency counts: worst (default) or mean, of logarithms")
    command.add_argument("--evaluations", help="of each search (default: that of the run)")
    command.add_argument("--data-dir", metavar="DIR", help="folder of the data set, in place of the config's")


def _add_evaluate(commands: Commands) -> None:
    command = _command(commands, "evaluate", "accuracies of a stored design again")
    command.add_argument("run", metavar="RUN", help="a run's folder")
    command.add_argument("id", metavar="ID", help="of a row of fronts.csv")
    command.add_argument("--data-dir", metavar="DIR", help="folder of the data set, in place of the config's")


def _add_choose(commands: Commands) -> None:
    command = _command(commands, "choose", "one design of a run for a budget, and why", "experiments.commands.choose")
    command.add_argument("run", metavar="RUN", help="a run's folder")
    command.add_argument("--budget", help="capacitance, such as 470uF (default: a design for each of the run)")
    command.add_argument("--deadline", help="what the worst-case latency must not exceed, such as 60s")
    command.add_argument("--min-accuracy", help="on validation, such as 0.8 or 80%%")
    prefer = "knee (default), accuracy, latency or energy, among what keeps to the limits"
    command.add_argument("--prefer", default="knee", help=prefer)


def _add_compare(commands: Commands) -> None:
    command = _command(commands, "compare", "fronts of finished runs over each other", "experiments.commands.compare")
    command.add_argument("runs", nargs="+", metavar="RUN", help="runs of one method differ in the seed alone")
    command.add_argument("--on", default="finetuned", help="finetuned (default) or inherited accuracy, on validation")
    command.add_argument("--out", metavar="DIR", help="write tables (text, CSV, LaTeX) and a figure a budget there")
    command.add_argument("--format", default="pdf,png", help="of the figures: pdf, png, svg, several with commas")
    command.add_argument("--width", default="ieee1", help="of the figures: ieee1, ieee2, acm1 or slide")


def _add_table(commands: Commands) -> None:
    command = _command(commands, "table", "the fronts of a run as a table", "experiments.commands.table")
    command.add_argument("run", metavar="RUN", help="a run's folder")
    command.add_argument("--budget", help="capacitance, such as 470uF (default: all of the run)")
    command.add_argument("--format", default="text", help="text (default), latex (with booktabs) or csv")
    command.add_argument("--out", metavar="FILE", help="where it goes, in place of the screen")


def _add_card(commands: Commands) -> None:
    text = "how far the accuracies of a run can be trusted"
    command = _command(commands, "card", text, "experiments.commands.card")
    command.add_argument("run", metavar="RUN", help="a run's folder")
    alone = "train that many alone, for the card of the shared weights: hours (default: none)"
    command.add_argument("--networks", default="0", metavar="N", help=alone)
    command.add_argument("--seeds", default="3", metavar="N", help="that often each, a fold (default: 3)")
    command.add_argument("--folds", default="5", metavar="N", help="pooled, from the run's own on (default: 5)")
    front = "train the networks of the fronts alone too, against their fine-tuning: hours"
    command.add_argument("--front", action="store_true", help=front)


def _add_plot(commands: Commands) -> None:
    command = _command(commands, "plot", "figures of a run, from its files")
    command.add_argument("run", metavar="RUN", help="a run's folder")
    command.add_argument("--kind", default="front", help="front, breakdown, convergence, predictor or timeline")
    command.add_argument("--beside", action="append", default=[], metavar="RUN", help="another run; again for more")
    command.add_argument("--id", metavar="ID", help="design of the time line (default: best on validation)")
    command.add_argument("--format", default="pdf,png", help="pdf, png, svg, several with commas")
    command.add_argument("--width", default="ieee1", help="ieee1, ieee2, acm1 or slide")


def _add_report(commands: Commands) -> None:
    command = _command(commands, "report", "one interactive page of a run", "experiments.commands.report")
    command.add_argument("run", metavar="RUN", help="a run's folder")
    command.add_argument("--out", metavar="FILE", help="where the page goes (default: RUN/report.html)")


def _add_calibrate(commands: Commands) -> None:
    command = _command(commands, "calibrate", "a device file from micro-benchmarks", "experiments.commands.calibrate")
    command.add_argument(
        "measurements", nargs="?", metavar="MEASUREMENTS.csv", help="see --template and docs/own-board.md"
    )
    command.add_argument("--name", help="what the board is called")
    command.add_argument("--base", metavar="DEVICE", help="gives what was not measured: name or TOML file")
    command.add_argument("--out", metavar="FILE", help="where the device file goes (default: NAME.toml)")
    command.add_argument("--template", metavar="FILE", help="write a file that says what to measure, and stop")


def _add_grid(commands: Commands) -> None:
    command = _command(commands, "grid", "scripted grids of experiments", "experiments.commands.grid")
    command.add_argument("file", metavar="GRID.toml", help="a base config and axes: docs/grids.md")
    command.add_argument("action", choices=("run", "status", "retry", "table", "script"), help="script: for SLURM")
    command.add_argument("--root", default=".", metavar="DIR", help="where runs/, cache/ and grids/ lie")
    command.add_argument("--workers", default="2", metavar="N", help="cells at once (default: 2)")
    engine = "pool of processes (default), or ray (an extra: pip install ray)"
    command.add_argument("--engine", choices=("pool", "ray"), default="pool", help=engine)
    command.add_argument("--address", help="of a Ray cluster, such as auto (default: Ray is started here)")
    command.add_argument("--shard", metavar="I/N", help="only every N-th cell, from the I-th on")
    command.add_argument("--shards", default="8", metavar="N", help="of script: tasks of the SLURM array")


def _add_runs(commands: Commands) -> None:
    command = _command(commands, "runs", "the runs under a folder and what they reached", "experiments.commands.runs")
    command.add_argument("--root", default=".", metavar="DIR", help="where runs/ and cache/ lie (default: here)")
    where = "such as data=watch, budgets=470uF, state=stopped or search.method=joint; again for more"
    command.add_argument("--where", action="append", default=[], metavar="KEY=VALUE", help=where)


def _add_lists(commands: Commands) -> None:
    for name, text in (
        ("devices", "devices that ship with the project"),
        ("supplies", "power supplies that ship with the project"),
        ("spaces", "search spaces"),
        ("datasets", "data sets and what is found of them"),
    ):
        command = _command(commands, name, text, "experiments.commands.lists")
        if name == "datasets":
            command.add_argument("--data-dir", metavar="DIR", help="folder to look in for each of them")


def _add_network(commands: Commands) -> None:
    text = "NETWORK.json of an ONNX file or a torch module"
    command = _command(commands, "network", text, "experiments.commands.network")
    command.add_argument("model", metavar="MODEL", help="net.onnx, or net.py:build, a function that makes a module")
    command.add_argument("--input", metavar="6x128", help="channels and sizes of its input, without the batch")
    command.add_argument("--out", metavar="NETWORK.json", help="where the network goes")
    fuse = "merge batch norm and ReLU into convolutions (default: yes)"
    command.add_argument("--fuse", choices=("yes", "no"), default="yes", help=fuse)


def _add_export(commands: Commands) -> None:
    text = "the trained network of a design as files that other programs run"
    command = _command(commands, "export", text, "experiments.commands.export")
    _add_stored_design(command)
    command.add_argument("dir", metavar="DIR", help="folder for the files")
    command.add_argument("--format", default="c", help="c (default: a program), onnx or torch")


def _add_verify(commands: Commands) -> None:
    text = "the proof of an exported program: its bits, its counts, any power failure"
    command = _command(commands, "verify", text, "experiments.commands.verify")
    command.add_argument("dir", metavar="DIR", help="folder that export wrote, or a run's: all designs of its fronts")
    failures = "random power failures beside those in every batch (default: 10000)"
    command.add_argument("--failures", default="10000", metavar="N", help=failures)
    command.add_argument("--board", default="host", help="host (default); also on cortex-m4 or msp430, emulated")
    command.add_argument("--data-dir", metavar="DIR", help="folder of the data set of a run, in place of the config's")


def _add_design(commands: Commands) -> None:
    text = "one design of a run on a page of Markdown"
    command = _command(commands, "design", text, "experiments.commands.design")
    _add_stored_design(command)
    command.add_argument("--out", metavar="FILE", help="where the page goes (default: printed)")


def _add_stored_design(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", metavar="RUN", help="a run's folder")
    command.add_argument("id", metavar="ID", help="of a row of fronts.csv")
    command.add_argument("--data-dir", metavar="DIR", help="folder of the data set, in place of the config's")

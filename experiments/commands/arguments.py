"""Arguments of every command, declared without loading what the commands do.

`experiments.commands.registry` brings each of these functions together with the command that reads its arguments.
"""

from __future__ import annotations

import argparse

from energy.hardware.files import DEFAULT_DEVICE, DEFAULT_SUPPLY

Parser = argparse.ArgumentParser


def add_search(parser: Parser) -> None:
    """Declare the arguments of `ebbnas search`."""
    parser.add_argument("config", metavar="CONFIG", help="TOML file, built-in name such as watch, or folder of a run")
    _add_config_options(parser)
    parser.add_argument(
        "--extend",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="more effort for the same run, such as search.evaluations=2000",
    )
    parser.add_argument("--fresh", action="store_true", help="ignore and replace what the cache holds")


def _add_config_options(parser: Parser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="setting of the config, such as search.evaluations=500; may be repeated",
    )
    parser.add_argument("--budgets", help="capacitances, such as 47uF,100uF (default: the config's)")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data set (default: the config's)")
    parser.add_argument("--root", default=".", metavar="DIR", help="folder of runs/ and cache/ (default: here)")


def add_init(parser: Parser) -> None:
    """Declare the arguments of `ebbnas init`."""
    parser.add_argument("dir", metavar="DIR", help="folder for the config, created if it does not exist")


def _add_request_options(parser: Parser) -> None:
    parser.add_argument("--select", metavar="NAME", help="name of one design of a list")
    parser.add_argument("--device", help=f"name or TOML file (default: the file's, else {DEFAULT_DEVICE})")
    parser.add_argument("--supply", help=f"name or TOML file (default: the file's, else {DEFAULT_SUPPLY} at 5 mF)")
    parser.add_argument("--capacitance", help="capacitance, such as 470uF (default: the file's)")
    parser.add_argument("--resistance", help="harvester resistance, such as 2.8kohm")
    parser.add_argument("--usable-fraction", help="share of the stored energy that is the cycle energy budget, up to 1")
    parser.add_argument("--vm-bytes", help="size of the SRAM (VM), such as 2048 or 2KiB (default: the device's)")
    parser.add_argument("--policy", help="batches per power cycle: packed (default) or one-batch-per-cycle")
    parser.add_argument("--counting", help="counts of events: exact or published (default: that of the policy)")
    parser.add_argument("--cuts", help="where packed power cycles end: optimal (default) or greedy")
    parser.add_argument("--rules", help="execution designs that plan may choose: ebbnas (default), inas2021, tinas2025")
    parser.add_argument(
        "--max-vector", metavar="N", help="longest vector that may be chosen (default: longest measured)"
    )
    parser.add_argument("--deadline", help="upper limit of the worst-case latency, such as 60s")
    parser.add_argument(
        "--harvest-uncertainty", metavar="FACTOR", help="factor on the harvester's resistance in the worst case"
    )
    parser.add_argument("--starts-empty", action="store_true", help="worst case with an empty capacitor at the start")
    parser.add_argument("--fuse", choices=("yes", "no"), help="merge batch norm and ReLU into convolutions")


def add_plan(parser: Parser) -> None:
    """Declare the arguments of `ebbnas plan`."""
    parser.add_argument(
        "file",
        nargs="?",
        metavar="NETWORK.json|DESIGN.json",
        help="file that `network`, `plan --save` or a search wrote",
    )
    parser.add_argument("--example", action="store_true", help="plan a published network that comes with the project")
    parser.add_argument("--save", metavar="FILE", help="write the answer as a DESIGN.json")
    parser.add_argument(
        "--period", help="period of each inference, such as 60s or 60s,90s: response times on one device"
    )
    _add_request_options(parser)


def add_price(parser: Parser) -> None:
    """Declare the arguments of `ebbnas price`."""
    parser.add_argument("file", metavar="DESIGN.json", help="file that `plan --save` or a search wrote")
    parser.add_argument(
        "--period", help="period of each inference, such as 60s or 60s,90s: response times on one device"
    )
    _add_request_options(parser)


def add_simulate(parser: Parser) -> None:
    """Declare the arguments of `ebbnas simulate`."""
    parser.add_argument("file", metavar="DESIGN.json", help="file that `plan --save` or a search wrote")
    harvests = "TRACE.csv, constant:R=2.8kohm,V=5.9V, constant:P=1mW, random:R=1.25,V=0.95 or solar:lat=,lon=,date=,..."
    parser.add_argument("--harvest", default="constant", help=f"{harvests} (default: the supply's own, constant)")
    parser.add_argument("--seeds", help="number of simulated harvests (default: 100; 1 for a constant harvest)")
    parser.add_argument("--seed", default="0", help="seed of the random numbers (default: 0)")
    parser.add_argument("--inferences", default="1", metavar="N", help="number of inferences in a row (default: 1)")
    parser.add_argument(
        "--charges-while-active", action="store_true", help="the harvester also charges while the device is active"
    )
    parser.add_argument("--leakage", default="0", help="leakage of the capacitor, such as 1uA (default: 0)")
    parser.add_argument("--esr", default="0", help="series resistance of the capacitor, such as 1ohm (default: 0)")
    parser.add_argument("--max-time", help="simulated time after which a seed is stopped (default: 7d)")
    parser.add_argument("--out", metavar="DIR", help="folder for the time line of the first seed and its figure")
    parser.add_argument(
        "--format",
        default="pdf,png",
        help="formats of the figure: pdf, png, svg, several with commas (default: pdf,png)",
    )
    parser.add_argument("--width", default="ieee1", help="width of the figure: ieee1 (default), ieee2, acm1 or slide")
    _add_request_options(parser)


def add_replan(parser: Parser) -> None:
    """Declare the arguments of `ebbnas replan`."""
    parser.add_argument("file", nargs="?", metavar="DESIGN.json", help="published design, or a list of designs")
    parser.add_argument("--example", action="store_true", help="the published design that comes with the project")
    parser.add_argument("--select", metavar="NAME", help="name of one design of a list")
    parser.add_argument(
        "--simulate", action="store_true", help="simulate every new plan under its nominal harvester too"
    )


def add_ablate(parser: Parser) -> None:
    """Declare the arguments of `ebbnas ablate`."""
    parser.add_argument(
        "file",
        nargs="?",
        metavar="NETWORK.json|DESIGN.json",
        help="file that `network`, `plan --save` or a search wrote",
    )
    parser.add_argument("--example", action="store_true", help="the published network that comes with the project")
    parser.add_argument("--select", metavar="NAME", help="name of one design of a list")
    parser.add_argument("--capacitance", help="capacitance, such as 470uF (default: the file's)")
    parser.add_argument("--resistance", help="harvester resistance, such as 2.8kohm")
    parser.add_argument(
        "--max-vector", metavar="N", help="vector length of the row with longer vectors (default: 4 x measured)"
    )


def add_explore(parser: Parser) -> None:
    """Declare the arguments of `ebbnas explore`."""
    given = "folder of a run, table with columns architecture and accuracy, or `stated`: a synthetic formula"
    parser.add_argument("space", metavar="SPACE", help="search space, such as conv1d-3; ebbnas spaces lists all")
    parser.add_argument("--accuracies", metavar="RUN|TABLE|stated", help=given)
    parser.add_argument("--sample", help="number of random networks, in place of all")
    parser.add_argument("--seed", default="0", help="seed of the sample (default: 0)")
    parser.add_argument("--networks", metavar="TABLE", help="networks of its column `architecture`, in place of all")
    parser.add_argument("--budgets", help="capacitances (default: 47uF,100uF,470uF)")
    parser.add_argument("--device", default=DEFAULT_DEVICE, help=f"name or TOML file (default: {DEFAULT_DEVICE})")
    parser.add_argument("--supply", default=DEFAULT_SUPPLY, help=f"name or TOML file (default: {DEFAULT_SUPPLY})")
    parser.add_argument("--resistance", help="harvester resistance, such as 2.8kohm")
    parser.add_argument(
        "--rules", default="ebbnas", help="execution designs that may be chosen: ebbnas (default), inas2021, tinas2025"
    )
    parser.add_argument(
        "--policy", default="packed", help="batches per power cycle: packed (default) or one-batch-per-cycle"
    )
    parser.add_argument(
        "--out", default=".", metavar="DIR", help="folder for explore.parquet and explore.csv (default: here)"
    )


def add_robust(parser: Parser) -> None:
    """Declare the arguments of `ebbnas robust`."""
    parser.add_argument("run", metavar="RUN", help="folder of the run with the accuracies")
    parser.add_argument("--budgets", help="capacitances (default: those of the run)")
    factors = "factors on the harvester's resistance of each capacitor (default: 1,1.5)"
    parser.add_argument("--resistance-factors", default="1,1.5", metavar="F,F", help=factors)
    parser.add_argument(
        "--over",
        default="worst",
        help="latency over the supplies to minimise: worst (default), or mean (of logarithms)",
    )
    parser.add_argument("--evaluations", help="evaluations of each search (default: that of the run)")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data set, in place of the config's")


def add_evaluate(parser: Parser) -> None:
    """Declare the arguments of `ebbnas evaluate`."""
    _add_stored_design(parser)


def add_choose(parser: Parser) -> None:
    """Declare the arguments of `ebbnas choose`."""
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--budget", help="capacitance, such as 470uF (default: one design for each capacitance of the run)"
    )
    parser.add_argument("--deadline", help="upper limit of the worst-case latency, such as 60s")
    parser.add_argument("--min-accuracy", help="lower limit of the accuracy on validation, such as 0.8 or 80%%")
    prefer = "knee (default), accuracy, latency or energy, among the designs within the limits"
    parser.add_argument("--prefer", default="knee", help=prefer)


def add_compare(parser: Parser) -> None:
    """Declare the arguments of `ebbnas compare`."""
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a run; runs of one method differ only in the seed"
    )
    parser.add_argument("--on", default="finetuned", help="finetuned (default) or inherited accuracy, on validation")
    parser.add_argument(
        "--out", metavar="DIR", help="folder for tables (text, CSV, LaTeX) and one figure per capacitor"
    )
    parser.add_argument(
        "--format",
        default="pdf,png",
        help="formats of the figures: pdf, png, svg, several with commas (default: pdf,png)",
    )
    parser.add_argument("--width", default="ieee1", help="width of the figures: ieee1 (default), ieee2, acm1 or slide")


def add_table(parser: Parser) -> None:
    """Declare the arguments of `ebbnas table`."""
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument("--budget", help="capacitance, such as 470uF (default: all of the run)")
    parser.add_argument("--format", default="text", help="text (default), latex (with booktabs) or csv")
    parser.add_argument("--out", metavar="FILE", help="file for the table, in place of the screen")


def add_card(parser: Parser) -> None:
    """Declare the arguments of `ebbnas card`."""
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    alone = "number of networks trained alone, for the card of the shared weights: hours (default: 0)"
    parser.add_argument("--networks", default="0", metavar="N", help=alone)
    parser.add_argument("--seeds", default="3", metavar="N", help="trainings of each network on each fold (default: 3)")
    parser.add_argument(
        "--folds", default="5", metavar="N", help="number of folds pooled, from the run's own on (default: 5)"
    )
    front = "train the networks of the fronts alone too, against their fine-tuning: hours"
    parser.add_argument("--front", action="store_true", help=front)


def add_plot(parser: Parser) -> None:
    """Declare the arguments of `ebbnas plot`."""
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--kind", default="front", help="kind of figure: front (default), breakdown, convergence, predictor or timeline"
    )
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="RUN",
        help="folder of a run to draw beside it; may be repeated",
    )
    parser.add_argument("--id", metavar="ID", help="design of the time line (default: best on validation)")
    parser.add_argument(
        "--format", default="pdf,png", help="formats: pdf, png, svg, several with commas (default: pdf,png)"
    )
    parser.add_argument("--width", default="ieee1", help="width: ieee1 (default), ieee2, acm1 or slide")


def add_report(parser: Parser) -> None:
    """Declare the arguments of `ebbnas report`."""
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument("--out", metavar="FILE", help="file for the page (default: RUN/report.html)")


def add_calibrate(parser: Parser) -> None:
    """Declare the arguments of `ebbnas calibrate`."""
    parser.add_argument(
        "measurements",
        nargs="?",
        metavar="MEASUREMENTS.csv",
        help="measurements, as --template and docs/own-board.md describe",
    )
    parser.add_argument("--name", help="name of the board")
    parser.add_argument("--base", metavar="DEVICE", help="device for prices that were not measured: name or TOML file")
    parser.add_argument("--out", metavar="FILE", help="file for the device (default: NAME.toml)")
    parser.add_argument(
        "--template", metavar="FILE", help="write a file with the list of measurements to make, and stop"
    )


def add_grid(parser: Parser) -> None:
    """Declare the arguments of `ebbnas grid`."""
    parser.add_argument("file", metavar="GRID.toml", help="grid file: a base config and axes, see docs/grids.md")
    parser.add_argument(
        "action", choices=("run", "status", "retry", "table", "script"), help="script writes one for SLURM"
    )
    parser.add_argument("--root", default=".", metavar="DIR", help="folder of runs/, cache/ and grids/ (default: here)")
    parser.add_argument("--workers", default="2", metavar="N", help="number of cells at once (default: 2)")
    engine = "pool of processes (default), or ray (an extra: pip install ray)"
    parser.add_argument("--engine", choices=("pool", "ray"), default="pool", help=engine)
    parser.add_argument("--address", help="address of a Ray cluster, such as auto (default: Ray is started here)")
    parser.add_argument("--shard", metavar="I/N", help="only every N-th cell, from the I-th on")
    parser.add_argument(
        "--shards", default="8", metavar="N", help="number of tasks of the SLURM array that script writes (default: 8)"
    )


def add_runs(parser: Parser) -> None:
    """Declare the arguments of `ebbnas runs`."""
    parser.add_argument("--root", default=".", metavar="DIR", help="folder of runs/ and cache/ (default: here)")
    where = "condition, such as data=watch, budgets=470uF, state=stopped or search.method=joint; may be repeated"
    parser.add_argument("--where", action="append", default=[], metavar="KEY=VALUE", help=where)


def add_network(parser: Parser) -> None:
    """Declare the arguments of `ebbnas network`."""
    parser.add_argument("model", metavar="MODEL", help="net.onnx, or net.py:build, a function that makes a module")
    parser.add_argument("--input", metavar="6x128", help="channels and sizes of its input, without the batch")
    parser.add_argument("--out", metavar="NETWORK.json", help="file for the network")
    fuse = "merge batch norm and ReLU into convolutions (default: yes)"
    parser.add_argument("--fuse", choices=("yes", "no"), default="yes", help=fuse)


def add_export(parser: Parser) -> None:
    """Declare the arguments of `ebbnas export`."""
    _add_stored_design(parser)
    parser.add_argument("dir", metavar="DIR", help="folder for the files")
    parser.add_argument("--format", default="c", help="c (default: a program), onnx or torch")


def add_verify(parser: Parser) -> None:
    """Declare the arguments of `ebbnas verify`."""
    parser.add_argument(
        "dir", metavar="DIR", help="folder that export wrote, or folder of a run, for all designs of its fronts"
    )
    failures = "random power failures beside those in every batch (default: 10000)"
    parser.add_argument("--failures", default="10000", metavar="N", help=failures)
    parser.add_argument(
        "--board", default="host", help="host (default); cortex-m4 or msp430: also on an emulated processor"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data set of a run, in place of the config's")


def add_design(parser: Parser) -> None:
    """Declare the arguments of `ebbnas design`."""
    _add_stored_design(parser)
    parser.add_argument("--out", metavar="FILE", help="file for the page (default: printed)")


def _add_stored_design(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument("id", metavar="ID", help="id of a row of fronts.csv")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data set, in place of the config's")


def add_nothing(parser: Parser) -> None:
    """Declare nothing: the command has the common arguments alone."""


def add_datasets(parser: Parser) -> None:
    """Declare the arguments of `ebbnas datasets`."""
    parser.add_argument("--data-dir", metavar="DIR", help="folder that is searched for each data set")

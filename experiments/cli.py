"""Command line `ebbnas`: parses the arguments, runs the module of the command, and returns its exit code.

Exit codes: 0 done; 1 nothing feasible, or a check or grid cell failed; 2 the caller's mistake, one line on stderr;
130 interrupted.
Only what a command needs is imported, so `--help`, `price` and `plan` load neither torch nor pymoo.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from energy.validation import closest
from experiments.commands.output import INTERRUPTED, MISTAKE
from experiments.commands.registry import COMMANDS


class Parser(argparse.ArgumentParser):
    """Argument parser that raises mistakes as exceptions of one line."""

    def error(self, message: str) -> NoReturn:
        """Raise the message in place of printing the usage."""
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
        raise ValueError(f"unknown command {name!r}{closest(name, names) or '; ebbnas --help lists all'}")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = commands[options.command]._option_string_actions if options.command else ()
        raise ValueError(f"unknown option {unknown[0]!r}{closest(unknown[0], known)}")
    if options.command is None:
        parser.print_help()
        return 0
    handler: Callable[[argparse.Namespace], int] = options.handler
    return handler(options)


def _parser() -> tuple[Parser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser, and those of the commands by name."""
    parser = Parser(
        prog="ebbnas",
        description="Neural architecture search for devices whose power comes and goes.",
        epilog="Exit status: 0 done, 1 nothing feasible, or a check or grid cell failed, 2 a mistake, 130 interrupted.",
        allow_abbrev=False,
    )
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        own = parsers.add_parser(command.name, help=command.text, description=command.text, allow_abbrev=False)
        own.add_argument("--json", action="store_true", help="print one JSON object")
        own.add_argument("--quiet", action="store_true", help="no progress")
        command.add_arguments(own)
        own.set_defaults(handler=command.run)
    return parser, parsers.choices

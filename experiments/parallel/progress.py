"""Progress on stderr: bars with the time left on a terminal, occasional plain lines elsewhere, nothing if quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

SECONDS_BETWEEN_LINES = 10.0
"""Time between two lines of a task where stderr is not a terminal. [s]"""


class Task(Protocol):
    """Task of a known number of steps."""

    def advance(self, note: str = "", *, steps: int = 1) -> None:
        """Count steps as done."""
        ...


@dataclass
class _Silent:
    def advance(self, note: str = "", *, steps: int = 1) -> None:
        pass


@dataclass
class _Lines:
    """Plain lines, at most one every `SECONDS_BETWEEN_LINES`."""

    name: str
    total: int
    done: int
    last_s: float = field(default_factory=time.monotonic)

    def advance(self, note: str = "", *, steps: int = 1) -> None:
        self.done += steps
        now_s = time.monotonic()
        if now_s - self.last_s >= SECONDS_BETWEEN_LINES:
            self.last_s = now_s
            say(f"{self.name}: {self.done} of {self.total}{', ' + note if note else ''}")


def say(message: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """Reporter of progress to a person.

    Attributes:
        quiet: Whether to show nothing.
    """

    quiet: bool = False

    def note(self, message: str) -> None:
        """Write one line, unless quiet."""
        if not self.quiet:
            say(message)

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0) -> Iterator[Task]:
        """Show the progress of a task of `total` steps, of which `done` are done already."""
        if self.quiet:
            yield _Silent()
        elif sys.stderr.isatty():
            with _bar(name, total, done) as bar:
                yield bar
        else:
            yield _Lines(name=name, total=total, done=done)


@contextmanager
def _bar(name: str, total: int, done: int) -> Iterator[Task]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task_id = progress.add_task(name, total=total, completed=done, note="")

        @dataclass
        class Bar:
            def advance(self, note: str = "", *, steps: int = 1) -> None:
                progress.update(task_id, advance=steps, note=note)

        yield Bar()

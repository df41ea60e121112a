"""Work beside the training, which keeps one core busy for a minute or more: compiling, and exploring layers.

A small space has a few hundred layer shapes, and a search needs nearly all of them. The results do not depend on when
they are found.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import DEVNULL
from threading import Event, Thread

from energy.jit_cache import precompiled_marker
from energy.networks.shapes import LayerShape
from energy.planning.protocol import ScenariosExplorer
from energy.precompile import is_precompiled
from evo.genome.reachable_layers import reachable_layers
from models.spaces import Space

MOST_LAYERS = 1000
"""Layer shapes of a space above which a search meets too few of them. [1]"""

_LOOK_EVERY_S = 0.5


@contextmanager
def compiling() -> Iterator[None]:
    """Compile the inner loops of `energy` in another process during the block, where they are not cached."""
    if is_precompiled() or precompiled_marker() is None:
        yield
        return
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "energy.precompile"]
    with subprocess.Popen(command, env=environment, stdout=DEVNULL, stderr=DEVNULL) as work:
        try:
            yield
        except BaseException:
            work.kill()
            raise


@contextmanager
def exploring(explorer: ScenariosExplorer, space: Space) -> Iterator[None]:
    """Explore the layers of a space in a thread until the block ends.

    Args:
        explorer: The explorer, which keeps its results; nothing else may use it during the block.
        space: The networks.
    """
    layers = list(dict.fromkeys(layer for shapes in reachable_layers(space).values() for layer in shapes))
    if len(layers) > MOST_LAYERS:
        yield
        return
    stop = Event()
    thread = Thread(target=_explore, args=(explorer, layers, stop), name="explorer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _explore(explorer: ScenariosExplorer, layers: Sequence[LayerShape], stop: Event) -> None:
    # Compiling twice would take longer than exploring.
    while not is_precompiled():
        if stop.wait(_LOOK_EVERY_S):
            return
    for layer in layers:
        if stop.is_set():
            return
        try:
            explorer.best([layer])
        except ValueError:
            return  # the search raises the error where it needs the layer

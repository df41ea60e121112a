"""What a search will ask the explorer, answered beside the training, which keeps one core busy for a minute or more.

A small space has a few hundred layer shapes and a search meets nearly all of them. Answers do not depend on when they
are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from energy.networks.shapes import LayerShape
from energy.planning.protocol import ScenariosExplorer
from energy.precompile import is_precompiled
from evo.genome.reachable_layers import reachable_layers
from models.spaces import Space

MOST_LAYERS = 1000
"""Layer shapes of a space above which a search meets too few of them. [1]"""

_LOOK_EVERY_S = 0.5


@contextmanager
def exploring(explorer: ScenariosExplorer, space: Space) -> Iterator[None]:
    """Have the layers of a space explored in the background until the block ends.

    Args:
        explorer: Remembers its answers; nobody else may use it meanwhile.
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
            return  # whoever needs the layer will be told

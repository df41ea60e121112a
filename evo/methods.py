"""Search methods: the default and its baselines, one row each; all price and log the same way.

They differ in breeding, in the share of networks that the explorer plans, and in the values that selection compares.
Evaluations are always priced under the requested supply, and fronts are taken from those prices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from energy.counting.commit_record import BOOT_EVENTS
from energy.hardware.device import Device, Prices
from energy.hardware.supply import Supply
from energy.networks.rules import Rules
from energy.validation import require_choice

OBJECTIVES, SCORE, CONTINUOUS = "objectives", "score", "continuous power"

ADAPTIVE: Literal["adaptive"] = "adaptive"
"""Refinement rate of a search that plans every new network, and mutates plans in proportion to past gains."""

RefinementRate = float | Literal["adaptive"]
"""Share of the networks bred that the explorer plans before they are priced [1], or `ADAPTIVE`."""

POPULATION, EVALUATIONS, METHOD = 50, 1000, "joint"
"""Population [1], evaluations [1] and method of a search whose settings name none."""

_ENDLESS_F, _NO_RESISTANCE_OHM = 1e4, 1e-9
"""Capacitor of tens of kilojoules that recharges within nanoseconds: more than any inference needs."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A search method.

    Attributes:
        name: Name in a config.
        what: Description, one line.
        selects_by: Values that selection compares: `OBJECTIVES`, `SCORE`, or `CONTINUOUS` (objectives as if power never
            failed).
        front_share: Share of the children that are neighbours of the archive's front; None for `FRONT_SHARE`. [1]
        refinement_rate: Share of the networks that the explorer plans; None for that of the settings. [1]
        is_random: Whether children are drawn at random instead of bred.
    """

    name: str
    what: str
    selects_by: str = OBJECTIVES
    front_share: float | None = None
    refinement_rate: float | None = None
    is_random: bool = False


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(name="joint", what="joint genomes, designs by the explorer and by evolution"),
        Method(name="nested", what="architectures alone, the explorer fills in every design", refinement_rate=1.0),
        Method(name="plain", what="joint genomes by plain NSGA-II, no explorer", front_share=0.0, refinement_rate=0.0),
        Method(name="random", what="random networks with random designs", is_random=True, refinement_rate=0.0),
        Method(
            name="random-networks", what="random networks, the explorer's designs", is_random=True, refinement_rate=1.0
        ),
        Method(
            name="continuous",
            what="selected and planned as if power never failed",
            selects_by=CONTINUOUS,
            refinement_rate=1.0,
        ),
        Method(
            name="score",
            what="one objective, accuracy x latency^-0.07, the explorer fills in every design",
            selects_by=SCORE,
            front_share=0.0,
            refinement_rate=1.0,
        ),
    )
}


def method(name: str) -> Method:
    """Return the method with a name.

    Raises:
        ValueError: The name is unknown.
    """
    require_choice("method", name, METHODS)
    return METHODS[name]


@dataclass(frozen=True, kw_only=True)
class Planning:
    """Conditions that the explorer plans for.

    Attributes:
        device: Prices and memories.
        supplies: The supplies.
        rules: Designs that may be chosen.
    """

    device: Device
    supplies: tuple[Supply, ...]
    rules: Rules

    @property
    def as_if_powered(self) -> Planning:
        """The same conditions on continuous power: no boots, no records of progress, and batches of one only."""
        return Planning(
            device=replace(
                self.device,
                published=_without_boots(self.device.published),
                exact=_without_boots(self.device.exact),
            ),
            supplies=tuple(continuous_power(supply) for supply in self.supplies),
            rules=replace(self.rules, batch_sizes=lambda n: (1,)),
        )


def planning(chosen: Method, given: Planning) -> Planning:
    """Return the conditions that the explorer of a method plans for, given those under which networks run."""
    return given.as_if_powered if chosen.selects_by == CONTINUOUS else given


def continuous_power(supply: Supply) -> Supply:
    """Return a supply whose power never fails: one cycle holds any inference, and recharging takes no time."""
    return replace(supply, capacitance_f=_ENDLESS_F, resistance_ohm=_NO_RESISTANCE_OHM)


def _without_boots(prices: Prices) -> Prices:
    """Return the prices of a program that never boots and never records progress."""
    free = (*BOOT_EVENTS, "record_write_calls", "record_write_words")
    energy_j, time_s = (
        {event: np.zeros_like(price) if event in free else price for event, price in row.items()}
        for row in (prices.energy_j, prices.time_s)
    )
    return replace(prices, energy_j=energy_j, time_s=time_s)

"""Ways to search: ours and what it is measured against, one row each; all price and log the same way.

They differ in how children come about, in how many networks the exact explorer sees, and in what selection looks at.
Whatever selects, evaluations are priced under the supply that is asked for, and fronts are taken from those prices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from energy.checks import require_choice
from energy.supply import Supply

OBJECTIVES, SCORE, CONTINUOUS = "objectives", "score", "continuous power"

_ENDLESS_F, _NO_RESISTANCE_OHM = 1e4, 1e-9
"""Tens of kilojoules that are back within nanoseconds: more than any inference here needs."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to search.

    Attributes:
        name: What a config calls it.
        what: One line for people.
        selects_by: What selection looks at: `OBJECTIVES`, `SCORE`, or objectives as if power never failed.
        front_share: Share of the children that are neighbours of the front of everything priced; None for ours. [1]
        refinement_rate: Share of the networks that the explorer plans; None for what the settings say. [1]
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
        Method(name="joint", what="joint genomes, the explorer fills in a share of the designs"),
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
    """The method of that name.

    Raises:
        ValueError: There is none.
    """
    require_choice("method", name, METHODS)
    return METHODS[name]


def continuous_power(supply: Supply) -> Supply:
    """A supply whose power never fails: one cycle holds any inference, and recharging takes no time."""
    return replace(supply, capacitance_f=_ENDLESS_F, resistance_ohm=_NO_RESISTANCE_OHM)


def planning_supply(chosen: Method, supply: Supply) -> Supply:
    """The supply that the explorer plans for, where networks run on another."""
    return continuous_power(supply) if chosen.selects_by == CONTINUOUS else supply

"""Choice of the explorer for an execution, and the check that rules and counting go together."""

from __future__ import annotations

from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.networks.rules import RULES, Rules
from energy.planning.packed import PackedExplorer
from energy.planning.protocol import ScenariosExplorer
from energy.planning.published import Explorer
from energy.scheduling.execution import Execution


def check_rules(rules: Rules, execution: Execution) -> None:
    """Demand that rules and execution go together: published rules need published counting.

    Raises:
        ValueError: They do not; the rules that would do are named.
    """
    if rules.counting == "published" and execution.counting == "exact":
        known = " or ".join(name for name, row in RULES.items() if row.counting == "exact")
        raise ValueError(f"rules must be {known} with exact counting (policy {execution.policy!r}), not {rules.name!r}")


def explorer_for(
    device: Device, scenarios: Scenarios, rules: Rules, execution: Execution, *, n_threads: int = 1
) -> ScenariosExplorer:
    """Return the explorer of layers and networks under an execution.

    Args:
        device: Gives prices and memories.
        scenarios: The supplies; all are explored together.
        rules: Which designs are legal.
        execution: Policy, counting and cuts.
        n_threads: Threads that explore layers side by side; they do not change the result.

    Raises:
        ValueError: Rules and execution do not go together.
    """
    check_rules(rules, execution)
    if execution.counting == "published":
        return Explorer(device, scenarios, rules.under(execution.counting), n_threads=n_threads)
    return PackedExplorer(device, scenarios, rules, cuts=execution.cuts_of_schedule, n_threads=n_threads)

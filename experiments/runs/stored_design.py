"""A design of a finished run with its trained network, read from the run's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from energy.validation import closest
from experiments.config.read import read_config
from experiments.config.resolve import Workload, look_up
from experiments.designs.request import Overrides, Request
from experiments.designs.request_files import read_request
from experiments.runs.finished import read_front_rows
from experiments.runs.front_row import FrontRow
from experiments.storage.files import read_json
from experiments.storage.run_folder import require_run_folder
from models.deploy.integer import IntegerNetwork
from models.deploy.weights_file import read_network

if TYPE_CHECKING:
    from models.supernet.subnet import Subnet

INTEGER_END = ".int16.safetensors"
"""End of the name of a design's integer network."""


@dataclass(frozen=True, kw_only=True)
class StoredDesign:
    """One design of a run.

    Attributes:
        run: The run's folder.
        id: Id of the design.
        row: Its row of `fronts`.
        work: Space, data, device and supply that the run's config names.
    """

    run: Path
    id: str
    row: FrontRow
    work: Workload

    def subnet(self) -> Subnet:
        """Return its network with the fine-tuned weights.

        Raises:
            ValueError: They are missing, damaged, or of another network.
        """
        from models.supernet.subnet import Subnet  # here: a design that is deployed already needs no torch

        path = self.run / "designs" / f"{self.id}.safetensors"
        if not path.is_file():
            raise ValueError(f"{path}: file not found; `search` on the run writes it")
        space = self.work.space
        try:
            return Subnet.from_bytes(space, space.decode(self.row.architecture), path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def integer_network(self) -> IntegerNetwork:
        """Return its network as it is deployed: the stored one, or where the run has none, quantised again.

        Raises:
            ValueError: The weights are missing, damaged, or of another network.
        """
        path = self.run / "designs" / f"{self.id}{INTEGER_END}"
        if not path.is_file():
            from models.deploy.quantise import quantise

            return quantise(self.subnet(), self.work.data.split("train"))
        try:
            network = read_network(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if network.shape.layers != self.work.space.network(self.work.space.decode(self.row.architecture)).layers:
            raise ValueError(f"{path}: must be of network {self.row.network!r}, not of {network.name!r}")
        return network

    def request(self) -> Request:
        """Return its design file, as `price` reads it.

        Raises:
            ValueError: The file is missing or damaged.
        """
        overrides = Overrides(deadline_s=self.work.config.search.deadline, uncertainty=self.work.uncertainty)
        path = self.run / "designs" / f"{self.id}.json"
        try:
            return read_request(read_json(path), path.parent, overrides)
        except ValueError as error:
            raise ValueError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None


def stored_design(run: Path, design_id: str, *, data_dir: str | None = None) -> StoredDesign:
    """Find a design.

    Args:
        run: The run's folder.
        design_id: An id of its `fronts`.
        data_dir: Folder of the data set, in place of the config's: runs travel.

    Raises:
        ValueError: The run or the design is not found.
    """
    require_run_folder(run)
    config = read_config(str(run), data_dir=data_dir)
    rows = {row.id: row for row in read_front_rows(run)}
    if design_id not in rows:
        raise ValueError(f"ID must be of {run / 'fronts.csv'}, not {design_id!r}{closest(design_id, rows)}")
    return StoredDesign(run=run, id=design_id, row=rows[design_id], work=look_up(config))

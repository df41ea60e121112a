"""Reader of the text form of a genome, for tests that it loses nothing."""

from __future__ import annotations

import json

from energy.networks.designs import LayerDesign
from evo.genome.layout import Genomes, JointGenome


def genome_of_text(layout: JointGenome, text: str) -> Genomes:
    """Return the genome that `JointGenome.to_json` wrote, `(n_genes,)`."""
    data = json.loads(text)
    arch = layout.space.decode(data["architecture"])
    names = layout.space.network(arch).layer_names
    return layout.encode(arch, [LayerDesign.from_dict(data["designs"][name]) for name in names])

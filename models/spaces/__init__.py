"""Search spaces: stages, blocks and genes, and the networks they make; imports no torch."""

from models.spaces.graph import Graph, Node, shapes
from models.spaces.presets import PRESETS, preset
from models.spaces.space import Archs, Slot, Space
from models.spaces.stage import Gene, Stage

__all__ = ["PRESETS", "Archs", "Gene", "Graph", "Node", "Slot", "Space", "Stage", "preset", "shapes"]

"""Search spaces: what networks there are, free of torch."""

from models.spaces.graph import Graph, Node, shapes
from models.spaces.presets import PRESETS, preset
from models.spaces.space import Archs, Gene, Slot, Space, Stage

__all__ = ["PRESETS", "Archs", "Gene", "Graph", "Node", "Slot", "Space", "Stage", "preset", "shapes"]

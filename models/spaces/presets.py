"""Named spaces that a config may ask for: one row each in `PRESETS`."""

from __future__ import annotations

from energy.checks import require_choice
from models.spaces.space import Space, Stage

_INAS_2021 = "Mendis, Kang, Hsiu, ACM TECS 20(5s), 2021, doi 10.1145/3476995"
_INAS_STAGE = Stage(kernels=(1, 3, 5, 7), channels=(4, 8, 16, 24))

PRESETS: dict[str, Space] = {
    space.name: space
    for space in (
        Space(
            name="conv1d-3",
            input_shape=(128, 1, 6),
            n_classes=7,
            stages=(_INAS_STAGE,) * 3,
            padding="valid",
            source=f"activity space of {_INAS_2021}, with the input and classes of the data set 'watch'",
        ),
        Space(
            name="conv2d-5",
            input_shape=(32, 32, 3),
            n_classes=10,
            stages=(_INAS_STAGE,) * 5,
            padding="valid",
            source=f"image space of {_INAS_2021}",
        ),
    )
}


def preset(name: str) -> Space:
    """The space of that name.

    Raises:
        ValueError: There is none.
    """
    require_choice("space", name, PRESETS)
    return PRESETS[name]

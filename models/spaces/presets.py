"""Named spaces for configs, one row each in `PRESETS`.

The options of `ebb1d` and `ebb2d` follow the costs of operators under the exact explorer; models/README.md has the
figures and the reasons.
"""

from __future__ import annotations

from energy.validation import require_choice
from models.spaces.space import Space
from models.spaces.stage import Stage

_INAS_2021 = "Mendis, Kang, Hsiu, ACM TECS 20(5s), 2021, doi 10.1145/3476995"
_TINAS_2025 = "TiNAS, IEEE TCAD 2025, doi 10.1109/TCAD.2025.3555963"
_INAS_STAGE = Stage(kernels=(1, 3, 5, 7), channels=(4, 8, 16, 24))


def _inverted(channels: int) -> Stage:
    """Return a stage of inverted bottlenecks, as in the spaces of 2025."""
    return Stage(
        kernels=(1, 3, 5, 7),
        channels=(channels,),
        depths=(1, 2, 3),
        residuals=(False, True),
        strides=(2,),
        expansions=(1, 3, 4, 6),
        blocks=("inverted",),
        one_kernel=True,
    )


def _ebb(
    kernels: tuple[int, ...], channels: tuple[int, ...], *, strides: tuple[int, ...], one_kernel: bool = False
) -> Stage:
    """Return a stage of `ebb1d` or `ebb2d`."""
    return Stage(
        kernels=kernels,
        channels=channels,
        depths=(1, 2, 3),
        residuals=(False, True),
        strides=strides,
        one_kernel=one_kernel,
    )


def _fours(least: int, most: int) -> tuple[int, ...]:
    """Return numbers of channels in steps of 4."""
    return tuple(range(least, most + 1, 4))


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
        Space(
            name="fc-4",
            input_shape=(250, 1, 1),
            n_classes=12,
            stages=(Stage(kernels=(1,), channels=(48, 64, 96, 128), blocks=("dense",)),) * 4,
            source=f"keyword space of {_INAS_2021}",
        ),
        Space(
            name="mbconv1d",
            input_shape=(128, 1, 9),
            n_classes=6,
            stages=(
                Stage(kernels=(3,), channels=(10,), blocks=("linear",), is_scaled=False),
                *(_inverted(channels) for channels in (8, 12, 16)),
            ),
            widths_percent=tuple(range(50, 101, 10)),
            heights=(64, 128),
            source=f"activity space of {_TINAS_2025}",
        ),
        Space(
            name="mbconv2d",
            input_shape=(32, 32, 3),
            n_classes=10,
            stages=(
                Stage(kernels=(3,), channels=(16,), blocks=("linear",), is_scaled=False),
                *(_inverted(channels) for channels in (16, 24, 32, 64)),
            ),
            widths_percent=tuple(range(20, 101, 10)),
            heights=(28, 32),
            source=f"image space of {_TINAS_2025}",
        ),
        Space(
            name="ebb1d",
            input_shape=(128, 1, 6),
            n_classes=7,
            stages=(
                Stage(kernels=(3, 5, 7, 9), channels=_fours(4, 24), strides=(4, 2)),
                _ebb((3, 5, 7, 9), _fours(4, 24), strides=(2, 1), one_kernel=True),
                _ebb((3, 5, 7, 9), _fours(8, 32), strides=(2, 1), one_kernel=True),
                _ebb((3, 5, 7, 9), _fours(12, 40), strides=(2, 1), one_kernel=True),
            ),
            source="built for vector units of 64 words that cost the same at any load",
        ),
        Space(
            name="ebb2d",
            input_shape=(32, 32, 3),
            n_classes=10,
            stages=(
                Stage(kernels=(3, 5, 7), channels=(8, 12, 20), strides=(4, 2)),
                _ebb((3, 5), (8, 12, 20), strides=(1,)),
                _ebb((3, 5), (12, 20, 40), strides=(2,)),
                _ebb((1, 3), (20, 40, 60, 80), strides=(2,)),
                _ebb((1, 3), (40, 60, 80, 120), strides=(2,)),
            ),
            source="built for vector units of 64 words that cost the same at any load",
        ),
    )
}


def preset(name: str) -> Space:
    """Return the space with a name.

    Raises:
        ValueError: The name is unknown.
    """
    require_choice("space", name, PRESETS)
    return PRESETS[name]

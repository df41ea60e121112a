"""Random variation of training samples by an `Augmentation`, each sample on its own.

Randomness comes from a `torch.Generator` of the caller. Steps that are switched off draw no numbers, so the numbers
that mixing and noise draw do not depend on the existence of other steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.data.augmentation import Augmentation


def vary(x: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Return varied samples, same shape as `x`.

    Each sample is mirrored and shifted, then its channels are mixed, then noise is added, also where zeros fill a gap.

    Args:
        x: Dense maps, `(n, channels, h, w)`; one-dimensional data have h = 1 and time along w.
        augmentation: Kinds and sizes of the variation.
        generator: Source of all randomness, on any device.
    """
    x = _moved(x, augmentation, generator)
    n, channels = x.shape[:2]
    if augmentation.mixing > 0:
        turn = _normal((n, channels, channels), x, generator) * augmentation.mixing
        x = x + (turn @ x.flatten(start_dim=2)).view_as(x)
    if augmentation.noise > 0:
        x = x + _normal(x.shape, x, generator) * augmentation.noise
    return x


def _normal(shape: tuple[int, ...], x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device).to(x.device)


def _moved(x: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Return mirrored and shifted samples: every position of the result gathers its source position."""
    n, _, height, width = x.shape
    across = augmentation.shift if augmentation.shift_width is None else augmentation.shift_width
    most = (augmentation.shift if height > 1 else 0, across if width > 1 else 0)
    if not any(most) and not augmentation.flip:
        return x
    rows = _sources(n, height, most[0], x, generator)
    columns = _sources(n, width, most[1], x, generator)
    if augmentation.flip:
        turned = torch.rand(n, generator=generator, device=generator.device).to(x.device) < 0.5
        columns = torch.where(turned[:, None], width - 1 - columns, columns)
    is_inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    where = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    # rows of (n h w, channels): the channels of a position travel together
    first = torch.arange(n, device=x.device)[:, None, None] * (height * width)
    taken = x.permute(0, 2, 3, 1).reshape(n * height * width, -1).index_select(0, (first + where).flatten())
    return (taken * is_inside.view(-1, 1)).view(n, height, width, -1).permute(0, 3, 1, 2)


def _sources(n: int, size: int, most: int, x: Tensor, generator: torch.Generator) -> Tensor:
    """Return the source of each of `size` positions, one shift per sample, `(n, size)`; it may lie outside."""
    positions = torch.arange(size, device=x.device).expand(n, size)
    if most == 0:
        return positions
    shift = torch.randint(-most, most + 1, (n, 1), generator=generator, device=generator.device)
    return positions + shift.to(x.device)


def _within(positions: Tensor, size: int) -> Tensor:
    return (positions >= 0) & (positions < size)

"""Varied samples: each on its own, by no more than requested, and nothing drawn for what is switched off."""

from __future__ import annotations

import pytest
import torch

from models.data import Augmentation
from models.training.augment import vary


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def counted(n, height, width):
    """The same map 1, 2, 3, ... for each of `n` samples."""
    return torch.arange(1.0, height * width + 1).view(1, 1, height, width).repeat(n, 1, 1, 1)


def test_no_augmentation_returns_the_samples_and_draws_nothing():
    x, rng = torch.randn(4, 3, 8, 8), generator()
    assert vary(x, Augmentation(), rng) is x
    assert torch.equal(rng.get_state(), generator().get_state())


def test_mixing_then_noise_draw_what_their_formulas_say():
    x, rng = torch.randn(5, 3, 1, 16), generator(3)
    turn = torch.randn(5, 3, 3, generator=rng) * 0.1
    expected = x + (turn @ x.flatten(2)).view_as(x)
    expected = expected + torch.randn(x.shape, generator=rng) * 0.2
    assert torch.equal(vary(x, Augmentation(mixing=0.1, noise=0.2), generator(3)), expected)


def test_a_shifted_map_holds_the_rest_of_the_old_one_and_zeros():
    x = counted(400, 4, 5)
    allowed = set()
    for down in (-1, 0, 1):
        for right in (-2, -1, 0, 1, 2):
            moved = torch.zeros(4, 5)
            moved[max(down, 0) : 4 + min(down, 0), max(right, 0) : 5 + min(right, 0)] = x[
                0, 0, max(-down, 0) : 4 + min(-down, 0), max(-right, 0) : 5 + min(-right, 0)
            ]
            allowed.add(tuple(moved.flatten().tolist()))
    found = {tuple(one.flatten().tolist()) for one in vary(x, Augmentation(shift=1, shift_width=2), generator())}
    assert found == allowed  # 3 x 5 ways, all of which 400 samples meet


def test_time_of_one_dimensional_data_is_shifted_and_their_height_of_1_is_not():
    x = counted(200, 1, 6)
    found = {tuple(one.flatten().tolist()) for one in vary(x, Augmentation(shift=1), generator())}
    assert found == {(1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5), (2, 3, 4, 5, 6, 0)}


def test_width_stays_in_place_when_it_is_told_to():
    varied = vary(counted(50, 6, 3), Augmentation(shift=2, shift_width=0), generator())
    rows = {tuple(row.tolist()) for one in varied for row in one[0]}
    assert rows == {(0, 0, 0), *((3.0 * i + 1, 3.0 * i + 2, 3.0 * i + 3) for i in range(6))}


def test_half_the_samples_are_mirrored_along_the_last_axis():
    x = counted(1000, 2, 3)
    mirrored = vary(x, Augmentation(flip=True), generator())
    is_turned = (mirrored == x.flip(3)).flatten(1).all(1)
    assert ((mirrored == x).flatten(1).all(1) ^ is_turned).all()
    assert 450 < is_turned.sum() < 550  # 3 standard deviations of sqrt(1000) / 2 = 16 are 48


def test_all_channels_of_a_sample_move_together():
    x = counted(30, 5, 5).repeat(1, 3, 1, 1)
    varied = vary(x, Augmentation(shift=2, flip=True), generator())
    assert varied.shape == x.shape
    assert torch.equal(varied[:, 0], varied[:, 1])
    assert torch.equal(varied[:, 0], varied[:, 2])


def test_every_sample_keeps_its_own_values():
    x = counted(20, 4, 4) + 100 * torch.arange(20).view(-1, 1, 1, 1)
    varied = vary(x, Augmentation(shift=1, flip=True), generator())
    for own, result in zip(x, varied, strict=True):
        kept = result[result > 0]
        assert len(kept) >= 9
        assert set(kept.tolist()) <= set(own.flatten().tolist())


def test_the_same_seed_varies_alike_and_the_samples_given_stay():
    x = torch.randn(6, 2, 7, 7)
    before, everything = x.clone(), Augmentation(mixing=0.1, noise=0.1, shift=2, flip=True)
    assert torch.equal(vary(x, everything, generator(1)), vary(x, everything, generator(1)))
    assert not torch.equal(vary(x, everything, generator(1)), vary(x, everything, generator(2)))
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mixing", -0.1, "mixing must be at least 0, not -0.1"),
        ("noise", float("nan"), "noise must be a finite number"),
        ("shift", 1.5, "shift must be a whole number of at least 0, not 1.5"),
        ("shift_width", -1, "shift_width must be a whole number of at least 0, not -1"),
        ("flip", 1, "flip must be true or false, not 1"),
    ],
)
def test_a_wrong_augmentation_names_the_field_and_the_rule(field, value, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**{field: value})

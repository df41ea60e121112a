"""Cepstral coefficients: an independent slow version, silence, loudness, and the order of frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.data.mfcc import FLOOR, mfcc


def tone(frequency_hz, amplitude=8000):
    return np.rint(amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(16_000) / 16_000)).astype(np.int16)


def slow(samples, frame):
    """Coefficients of one frame straight from the definitions, with sums in place of transforms."""
    x = samples[frame * 320 : frame * 320 + 640] / 2**15
    x = x * np.array([0.5 - 0.5 * math.cos(2 * math.pi * i / 640) for i in range(640)])
    n, k = np.arange(640), np.arange(321)[:, None]
    power = np.abs((x * np.exp(-2j * np.pi * k * n / 640)).sum(axis=1)) ** 2
    mel = [1127 * math.log(1 + 25 * i / 700) for i in range(321)]
    ends = [1127 * math.log(1 + f / 700) for f in (20, 4000)]
    corners = [ends[0] + (ends[1] - ends[0]) * i / 41 for i in range(42)]
    logs = []
    for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
        weights = [max(0.0, min((m - low) / (middle - low), (high - m) / (high - middle))) for m in mel]
        logs.append(math.log(float(np.dot(weights, power)) + FLOOR))
    return [
        math.sqrt((1 if order == 0 else 2) / 40)
        * sum(value * math.cos(math.pi / 40 * (band + 0.5) * order) for band, value in enumerate(logs))
        for order in range(10)
    ]


def test_coefficients_are_those_of_the_definitions():
    samples = np.random.default_rng(0).integers(-3000, 3000, 16_000).astype(np.int16)
    found = mfcc(samples[None])
    assert (found.shape, found.dtype) == ((1, 49, 10), np.float32)
    for frame in (0, 17, 48):
        np.testing.assert_allclose(found[0, frame], slow(samples, frame), rtol=1e-5, atol=1e-5)


def test_silence_is_the_floor_in_the_first_coefficient_and_0_elsewhere():
    found = mfcc(np.zeros((2, 16_000), dtype=np.int16))
    np.testing.assert_allclose(found[:, :, 0], math.sqrt(40) * math.log(FLOOR), rtol=1e-6)  # 40 equal logs / sqrt(40)
    np.testing.assert_allclose(found[:, :, 1:], 0, atol=1e-5)


def test_a_louder_sound_changes_the_first_coefficient_most():
    # twice the amplitude is four times the energy in every band: sqrt(40) log 4 more, nothing elsewhere
    noise = np.random.default_rng(1).integers(-6000, 6000, 16_000).astype(np.int16)
    change = mfcc((2 * noise)[None]) - mfcc(noise[None])
    np.testing.assert_allclose(change[..., 0], math.sqrt(40) * math.log(4), rtol=1e-3)
    assert np.abs(change[..., 1:]).max() < 0.01


def test_frames_follow_time():
    half = np.where(np.arange(16_000) < 8_000, tone(400), 0).astype(np.int16)
    found = mfcc(np.stack([half, tone(400)]))
    np.testing.assert_array_equal(found[0, :23], found[1, :23])  # frame 23 ends at sample 8,000
    assert (found[0, 25:, 0] < found[1, 25:, 0]).all()


@pytest.mark.parametrize("n", [1, 7])
def test_a_recording_has_the_same_features_in_any_company(n):
    samples = np.random.default_rng(2).integers(-3000, 3000, (n, 16_000)).astype(np.int16)
    alone = np.concatenate([mfcc(one[None]) for one in samples])
    np.testing.assert_allclose(mfcc(samples), alone, rtol=1e-6, atol=1e-6)

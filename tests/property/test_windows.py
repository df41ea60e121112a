"""Windows: how many there are, where they lie, and that normalising undoes nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.data.windows import Normaliser, windows

STEPS = st.integers(1, 60)


@given(n_steps=STEPS, length=STEPS, stride=st.integers(1, 20))
def test_windows_are_all_that_fit_at_multiples_of_the_stride(n_steps, length, stride):
    recording = np.arange(n_steps * 2).reshape(n_steps, 2)
    found = windows(recording, length, stride)
    starts = [start for start in range(0, n_steps, stride) if start + length <= n_steps]
    assert found.shape == (len(starts), 2, length)
    assert len(found) == max(0, (n_steps - length) // stride + 1)
    for window, start in zip(found, starts, strict=True):
        np.testing.assert_array_equal(window, recording[start : start + length].T)


@given(n_steps=st.integers(2, 60), seed=st.integers(0, 100), shift=st.floats(-50, 50), gain=st.floats(0.01, 50))
def test_normalised_training_recordings_have_mean_0_and_spread_1(n_steps, seed, shift, gain):
    recording = shift + gain * np.random.default_rng(seed).standard_normal((n_steps, 3))
    halves = [recording[: n_steps // 2], recording[n_steps // 2 :]]
    normalised = Normaliser.of(halves)(recording)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(normalised.std(axis=0), 1, atol=1e-3)


@given(n_steps=st.integers(1, 20))
def test_constant_channel_becomes_zero_not_infinite(n_steps):
    recording = np.full((n_steps, 2), 3.0)
    np.testing.assert_array_equal(Normaliser.of([recording])(recording), 0)

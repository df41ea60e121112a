"""Features of spoken words: mel-frequency cepstral coefficients, 49 frames of 10, as microcontrollers compute them.

Frames of 40 ms every 20 ms, Hann window, power spectrum, 40 triangles evenly spaced on the mel scale from 20 to
4,000 Hz, logarithm, discrete cosine transform. All in double precision and one thread, so that every machine agrees
to the last digits that a float32 keeps.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.threads import threads

SAMPLE_RATE_HZ = 16_000
"""Sample rate of the recordings. [Hz]"""

FRAME, HOP = 640, 320
"""Samples of a frame, and from one to the next. [1]"""

N_FRAMES, N_COEFFICIENTS, N_BANDS = 49, 10, 40
"""Frames of a second, coefficients kept of each, triangles they come from. [1]"""

LOWEST_HZ, HIGHEST_HZ = 20.0, 4000.0
"""Ends of the mel scale used. [Hz]"""

FLOOR = 1e-4
"""Added to the energy of a band before its logarithm, with samples from -1 to 1; keeps silence finite. [1]"""


def mfcc(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the coefficients of recordings of one second, float32 `(n, N_FRAMES, N_COEFFICIENTS)`, not normalised.

    Args:
        samples: Recordings, `(n, SAMPLE_RATE_HZ)`; some dozens at a time keep the memory small.
    """
    with threads(1):
        scaled = torch.from_numpy(samples.astype(np.float64) / 2**15)
        frames = scaled.unfold(1, FRAME, HOP) * torch.hann_window(FRAME, dtype=torch.float64)  # (n, N_FRAMES, FRAME)
        power = torch.fft.rfft(frames).abs() ** 2  # (n, N_FRAMES, FRAME / 2 + 1)
        found: NDArray[np.float32] = (torch.log(power @ _triangles() + FLOOR) @ _cosines()).float().numpy()
    return found


def _mel(frequency_hz: float) -> float:
    """Return the position of a frequency on the mel scale, 1127 ln(1 + f / 700)."""
    return 1127 * math.log(1 + frequency_hz / 700)


def _triangles() -> Tensor:
    """Return the weight of each frequency in each band, `(FRAME / 2 + 1, N_BANDS)`."""
    frequencies = torch.arange(FRAME // 2 + 1, dtype=torch.float64) * SAMPLE_RATE_HZ / FRAME
    mels = 1127 * torch.log1p(frequencies / 700)
    corners = torch.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), N_BANDS + 2, dtype=torch.float64)
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (mels[:, None] - low) / (middle - low)
    falling = (high - mels[:, None]) / (high - middle)
    return torch.minimum(rising, falling).clamp(min=0)


def _cosines() -> Tensor:
    """Return the orthonormal discrete cosine transform of type 2, `(N_BANDS, N_COEFFICIENTS)`."""
    band = torch.arange(N_BANDS, dtype=torch.float64)[:, None] + 0.5
    order = torch.arange(N_COEFFICIENTS, dtype=torch.float64)
    scale = torch.where(order == 0, math.sqrt(1 / N_BANDS), math.sqrt(2 / N_BANDS))
    return torch.cos(math.pi / N_BANDS * band * order) * scale

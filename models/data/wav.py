"""Recordings of one second from WAV files: 16-bit, one channel, 16,000 samples per second."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
"""Sample rate. [Hz]"""

N_SAMPLES = SAMPLE_RATE_HZ
"""Samples of a recording once it is padded or cut. [1]"""


def read_wav(path: Path, *, header_only: bool = False) -> NDArray[np.int16]:
    """Return all samples of a file, `(n,)`.

    Args:
        path: The file.
        header_only: Whether to check format and size and return no samples.

    Raises:
        ValueError: The file is damaged, or has another format.
    """
    try:
        with path.open("rb") as content, wave.open(content) as file:
            facts = {
                f"{SAMPLE_RATE_HZ:,} samples per second": (file.getframerate(), SAMPLE_RATE_HZ),
                "1 channel": (file.getnchannels(), 1),
                "16 bits per sample": (8 * file.getsampwidth(), 16),
            }
            n_frames = file.getnframes()
            n_present = (path.stat().st_size - content.tell()) // 2
            data = b"" if header_only else file.readframes(n_frames)
    except IsADirectoryError:
        raise ValueError(f"{path} must be a WAV file with uncompressed samples: it is a folder") from None
    except (wave.Error, EOFError) as error:
        reason = str(error) or "it ends too early"
        raise ValueError(f"{path} must be a WAV file with uncompressed samples: {reason}") from None
    for rule, (value, demanded) in facts.items():
        if value != demanded:
            raise ValueError(f"{path} must have {rule}, not {value:,}")
    if not 0 < n_frames <= n_present:
        raise ValueError(f"{path} must have the {n_frames:,} samples of its header, at least 1, not {n_present:,}")
    return np.frombuffer(data, dtype="<i2").astype(np.int16)


def one_second(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the middle second of a recording, or a shorter one in the middle of silence, `(N_SAMPLES,)`."""
    surplus = len(samples) - N_SAMPLES
    if surplus >= 0:
        return samples[surplus // 2 : surplus // 2 + N_SAMPLES]
    return np.pad(samples, (-surplus // 2, -surplus - -surplus // 2))

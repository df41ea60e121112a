"""The IDX format of the MNIST family: a header of sizes, then bytes, plain or gzipped.

Header: two zero bytes, 8 for unsigned bytes, the number of axes, then the size of each axis as a 32-bit number, most
significant byte first.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_UNSIGNED_BYTES = 8


def read_idx(path: Path, n_axes: int) -> NDArray[np.uint8]:
    """Return the array of a file.

    Args:
        path: File in IDX format; gzipped if its name ends in `.gz`.
        n_axes: Required number of axes. [1]

    Raises:
        ValueError: The file is damaged, or has another format.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    start = 4 + 4 * n_axes
    if content[:4] != bytes((0, 0, _UNSIGNED_BYTES, n_axes)) or len(content) < start:
        raise ValueError(f"{path} must begin as an IDX file of bytes with {n_axes} axes, not with {content[:4].hex()}")
    shape = struct.unpack(f">{n_axes}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise ValueError(f"{path} must have {math.prod(shape):,} bytes after its header, not {len(content) - start:,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

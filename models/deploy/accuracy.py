"""How often an integer network is right: what `accuracy_deployed_*` columns say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.accuracy import BATCH_SIZE
from models.data import Split
from models.deploy.integer import IntegerNetwork
from models.deploy.quantise import quantise_input
from models.deploy.reference import run


def deployed_correct(network: IntegerNetwork, split: Split) -> NDArray[np.bool_]:
    """Which samples an integer network gets right, `(n,)`, in the order of the split."""
    answers = [
        answers_of(run(network, quantise_input(network, split.take(slice(start, start + BATCH_SIZE)))))
        for start in range(0, len(split), BATCH_SIZE)
    ]
    return np.asarray(np.concatenate(answers) == split.labels)


def answers_of(outputs: NDArray[np.int16]) -> NDArray[np.int64]:
    """Class of each sample by its outputs `(n, ...)`, the first of equals, `(n,)`."""
    return outputs.reshape(len(outputs), -1).argmax(axis=1)

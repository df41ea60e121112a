"""Accuracy of integer networks, for the columns `accuracy_deployed_*`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.data import Split
from models.deploy.integer import IntegerNetwork
from models.deploy.reference import answers_of, run
from models.deploy.samples import quantise_input

_BATCH = 1024


def deployed_correct(network: IntegerNetwork, split: Split) -> NDArray[np.bool_]:
    """Return whether an integer network classifies each sample correctly, `(n,)`, in the order of the split."""
    answers = [
        answers_of(run(network, quantise_input(network, split.take(slice(start, start + _BATCH)))))
        for start in range(0, len(split), _BATCH)
    ]
    return np.asarray(np.concatenate(answers) == split.labels)

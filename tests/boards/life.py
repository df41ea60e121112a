"""Samples one after another on an emulated processor, in the same non-volatile memory, under power failures."""

from __future__ import annotations

import numpy as np

from experiments.boards.exported import ExportedFolder
from experiments.boards.processor import DONE, Processor, power_up, read_outputs, request_next


def wrong_in_a_life(processor: Processor, folder: ExportedFolder, n_samples: int, usual: int) -> int:
    """Wrong outputs of a life: after each inference, and while half of the next sample and all of it are stored.

    Args:
        processor: Processor with the program of the folder.
        folder: The exported folder.
        n_samples: Samples, the test vectors in turn.
        usual: Mean number of instructions between two failures.
    """
    rng = np.random.default_rng(0)
    at = processor.symbols["ebb_nvm"] + 2 * folder.constants["EBB_INPUT_AT"]
    wrong = 0
    for number in range(n_samples):
        vector = number % len(folder.inputs)
        sample = folder.stored_input(folder.inputs[vector])
        for n_bytes in (len(sample) // 2, len(sample)):
            processor.write(at, sample[:n_bytes])
            assert power_up(processor, rng, None) == DONE
            wrong += number > 0 and not np.array_equal(read_outputs(processor, folder), folder.outputs[vector - 1])
        request_next(processor)
        for length in rng.exponential(usual, 40).astype(int).tolist():
            if power_up(processor, rng, length) == DONE:
                break
        while power_up(processor, rng, None) != DONE:
            pass
        wrong += not np.array_equal(read_outputs(processor, folder), folder.outputs[vector])
    return wrong

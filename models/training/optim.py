"""Optimisation common to the training of shared weights and to fine-tuning: batches, loss, learning rate, AdamW.

Randomness comes from a `torch.Generator` of the caller. Functions take tensors; this module imports neither spaces nor
networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F


def precision(device: torch.device | str) -> AbstractContextManager[object]:
    """Return a context of mixed precision on an accelerator, and an empty one on a CPU."""
    kind = torch.device(device).type
    return nullcontext() if kind == "cpu" else torch.autocast(kind, dtype=torch.bfloat16)


def batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices of the batches of one epoch in random order, `(size,)` each.

    Samples beyond the last full batch are left out of this epoch; fewer than `size` samples make one batch.
    """
    order = torch.randperm(n, generator=generator)
    size = min(size, n)
    for start in range(0, n - size + 1, size):
        yield order[start : start + size]


def require_convergence(epoch: int, loss: float, learning_rate: float) -> None:
    """Check that the loss is finite: otherwise the weights are lost.

    Args:
        epoch: Epoch that ended, counted from 1.
        loss: Its loss.
        learning_rate: Largest step size. [1]

    Raises:
        ValueError: The loss is infinite or not a number.
    """
    if not math.isfinite(loss):
        rule = f"learning_rate must be lower than {learning_rate:g}"
        raise ValueError(f"{rule}: training diverged in epoch {epoch}, where the loss is {loss:g}")


def cosine_with_warm_up(progress: float, warm_up: float) -> float:
    """Return the fraction of the largest learning rate: a linear rise, then half a cosine down to 0.

    Args:
        progress: Share of all steps done, from 0 to 1. [1]
        warm_up: Share of all steps that the rise takes. [1]
    """
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def smooth_targets(labels: Tensor, n_classes: int, smoothing: float) -> Tensor:
    """Return class probabilities `(n, n_classes)`: `smoothing` spread evenly over classes, the rest on the label."""
    return F.one_hot(labels, n_classes).float() * (1 - smoothing) + smoothing / n_classes


def soft_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of class scores against class probabilities, both `(n, n_classes)`."""
    return F.cross_entropy(scores, targets)


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101).

    torch's own optimisers import its compiler, which takes seconds and much memory in every process.

    Attributes:
        weights: Trained tensors, changed in place.
        means: Moving averages of the gradients, one per tensor.
        squares: Moving averages of their squares, one per tensor.
        n_steps: Steps done. [1]
    """

    DECAY_MEAN, DECAY_SQUARE = 0.9, 0.999
    EPSILON = 1e-8

    def __init__(self, weights: Iterable[Tensor], *, weight_decay: float) -> None:
        """Begin with moving averages of 0.

        Args:
            weights: Tensors to train.
            weight_decay: Share by which a step of size 1 shrinks a weight. [1]
        """
        self.weights = list(weights)
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        self.n_steps = 0
        self._weight_decay = weight_decay

    def clear(self) -> None:
        """Forget the gradients of the last step."""
        for weight in self.weights:
            weight.grad = None

    def step(self, learning_rate: float) -> None:
        """Move every weight that has a gradient.

        Args:
            learning_rate: Size of the step. [1]
        """
        self.n_steps += 1
        size = learning_rate / (1 - self.DECAY_MEAN**self.n_steps)
        root = math.sqrt(1 - self.DECAY_SQUARE**self.n_steps)
        with torch.no_grad():
            for weight, mean, square in zip(self.weights, self.means, self.squares, strict=True):
                if weight.grad is None:
                    continue
                weight.mul_(1 - learning_rate * self._weight_decay)
                mean.lerp_(weight.grad, 1 - self.DECAY_MEAN)
                square.mul_(self.DECAY_SQUARE).addcmul_(weight.grad, weight.grad, value=1 - self.DECAY_SQUARE)
                weight.addcdiv_(mean, square.sqrt().div_(root).add_(self.EPSILON), value=-size)


def average_into(averaged: Sequence[Tensor], weights: Sequence[Tensor], *, decay: float, n_steps: int) -> None:
    """Move averaged weights towards the trained ones, in place; faster in early steps, which forget the start.

    Args:
        averaged: Moving averages, each of the shape of its partner in `weights`.
        weights: Trained weights.
        decay: Share of the average that stays after many steps. [1]
        n_steps: Steps done, this one included. [1]
    """
    share = 1 - min(decay, n_steps / (n_steps + 10))
    with torch.no_grad():
        for average, weight in zip(averaged, weights, strict=True):
            average.lerp_(weight, share)

"""Losses that leave blank labels out and are defined for every batch.

Predictions and truths are [n, C] each, a blank is NaN; a column without any known label adds
nothing, and neither does it to the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from affectbench.types import Task

Loss = Callable[[Tensor, Tensor], Tensor]  # outputs [n, C], truth [n, C] or [n] -> []
EPSILON: Final = 1e-8  # added to the denominator of the CCC
SMOOTHING: Final = 0.1
AGREEMENT: Final = {"ccc", "spearman", "pearson"}  # metrics that the CCC loss is for


def ccc_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """1 - CCC over the clips of a batch, the mean over columns; 0 is perfect, 2 is worst.

    Variances and covariance are all those of a population (divided by n), so that a perfect batch
    has no loss however small it is. A column whose truth is constant has loss 1 and, where the
    prediction is constant too, no gradient.

    Source: Lin 1989, doi:10.2307/2532051.
    """
    known = ~truth.isnan()
    count = known.sum(dim=0)
    prediction, truth = prediction.float() * known, truth.nan_to_num()
    n = count.clamp(min=1)
    means = prediction.sum(dim=0) / n, truth.sum(dim=0) / n
    apart = (prediction - means[0]) * known, (truth - means[1]) * known
    shared = (apart[0] * apart[1]).sum(dim=0) / n
    spread = (apart[0].square() + apart[1].square()).sum(dim=0) / n
    ccc = 2 * shared / (spread + (means[0] - means[1]).square() + EPSILON)
    return ((1 - ccc) * (count > 0)).sum() / (count > 0).sum().clamp(min=1)


def mse_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """The squared error of known labels: the mean over clips, then over columns."""
    known = ~truth.isnan()
    count = known.sum(dim=0)
    # The blank is replaced before it meets the prediction: 0 times NaN is NaN in the gradient.
    error = (prediction.float() - truth.nan_to_num()) * known
    columns = error.square().sum(dim=0) / count.clamp(min=1)
    return columns.sum() / (count > 0).sum().clamp(min=1)


class WeightedCrossEntropy:
    """Cross-entropy of logits [n, C] and classes [n], with smoothed labels and balanced classes.

    Each class weighs ``N / (C n_c)`` with n_c its clips in train, so that a rare class counts as
    much as a frequent one, as it does in a mean of recalls. A class without clips weighs nothing.

    Args:
        classes: [N], of train.
        outputs: C.
        smoothing: share of each label that is spread over all classes.

    Source: inverse frequencies and a smoothing of 0.1 as in Hallmen et al. 2022, arXiv:2209.13914.
    """

    def __init__(self, classes: Tensor, outputs: int, smoothing: float = SMOOTHING) -> None:
        count = torch.bincount(classes, minlength=outputs).float()
        self.weight = torch.where(count > 0, count.sum() / (outputs * count.clamp(min=1)), 0.0)
        self.smoothing = smoothing

    def __call__(self, logits: Tensor, classes: Tensor) -> Tensor:
        """The mean over the clips of a batch, each with the weight of its class."""
        return functional.cross_entropy(
            logits.float(),
            classes,
            weight=self.weight.to(logits.device),
            label_smoothing=self.smoothing,
        )


def end2you_cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy over the number of classes, as End2You computes it. [n, C] and [n]."""
    return functional.cross_entropy(logits.float(), classes) / logits.shape[1]


def loss_for(task: Task, truth: Tensor) -> Loss:
    """The loss that leads to the task's own metric, given the labels of train.

    Classes: weighted, smoothed cross-entropy. Columns: the CCC loss where the metric is an
    agreement or a correlation, else the squared error.
    """
    if task.target.kind == "classification":
        return WeightedCrossEntropy(truth, task.target.outputs)
    return ccc_loss if task.metric.name in AGREEMENT else mse_loss

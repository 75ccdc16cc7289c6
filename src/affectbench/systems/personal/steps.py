"""Steps down the gradient of a few clips, on a copy of a network."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from affectbench.systems.neural.batches import Batch
from affectbench.systems.neural.losses import mse_loss

CLIP_NORM: Final = 1.0  # of the gradient over all tuned weights


def descended(
    net: nn.Module,
    batch: Batch,
    beginnings: tuple[str, ...],
    rate: float,
    steps: Sequence[int],
) -> Iterator[tuple[int, nn.Module]]:
    """A copy of the network after each of some numbers of steps; it goes on after it was given.

    Args:
        net: stays as it is.
        batch: the support clips, with targets [k, C] (NaN where blank) or [k].
        beginnings: of the names of the weights that are tuned; the empty one is of all.
        rate: of plain gradient descent.
        steps: ascending.
    """
    own = copy.deepcopy(net)
    for name, weight in own.named_parameters():
        weight.requires_grad_(name.startswith(beginnings))
    tuned = [weight for weight in own.parameters() if weight.requires_grad]
    optimiser = torch.optim.SGD(tuned, lr=rate)
    single = batch.targets.ndim == 1
    for step in range(1, max(steps) + 1):
        as_in_use(own)
        optimiser.zero_grad()
        outputs = own(batch.waves, batch.samples).float()
        loss = (functional.cross_entropy if single else mse_loss)(outputs, batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(tuned, CLIP_NORM)
        optimiser.step()
        if step in steps:
            yield step, own


def tuned(
    net: nn.Module, batch: Batch, beginnings: tuple[str, ...], rate: float, steps: int
) -> nn.Module:
    """The copy after so many steps."""
    return next(own for _, own in descended(net, batch, beginnings, rate, (steps,)))


def as_in_use(net: nn.Module) -> None:
    """Nothing is dropped and batch norm keeps its statistics, but gradients can be had.

    cuDNN gives none of an LSTM that is not in training; without dropout that is the same.
    """
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.LSTM):
            module.train()

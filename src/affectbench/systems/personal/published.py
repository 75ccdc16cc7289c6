"""The few-shot baseline of ExVo 2022 as its code computes it, from a description of that code."""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from affectbench.systems.neural.batches import Data
from affectbench.systems.neural.device import device
from affectbench.systems.neural.emo18 import Emo18, fewshot_test_frames, fewshot_train_frames
from affectbench.systems.neural.losses import mse_loss
from affectbench.types import Floats, Part

RATE: Final = 1e-4  # of the adaptation
EPSILON: Final = float(np.finfo(np.float32).eps)
State = tuple["PublishedEmo18", torch.optim.Optimizer]


class PublishedEmo18(Emo18):
    """``Emo18`` that hears peak-normalised clips in training, and clips as they are in the test."""

    def __init__(self, outputs: int, *, width: float = 1.0) -> None:
        super().__init__(outputs, frames=fewshot_train_frames, packed=False, width=width)
        self.in_test = False

    def hear_as_in_test(self) -> None:
        """From now on no peak normalisation, and a frame of zeros more."""
        self.in_test = True
        self.frames = fewshot_test_frames

    def forward(self, waves: Tensor, samples: Tensor) -> Tensor:
        """[n, C]: the head on the state at the last frame."""
        if not self.in_test:
            waves = waves / (waves.abs().amax(dim=1, keepdim=True) + EPSILON)
        return super().forward(waves, samples)


class Walk:
    """From speaker to speaker, each beginning with the network that the one before left behind."""

    def __init__(self, net: nn.Module) -> None:
        assert isinstance(net, PublishedEmo18)
        net.hear_as_in_test()
        self.net = net
        self.last: Visit | None = None

    def visit(self, support: Part) -> Visit:
        """The next speaker; the first one where the order or the number of clips is another."""
        last = self.last
        follows = (
            last is not None
            and len(last.support.clips) == len(support.clips)
            and str(last.support.speakers[0]) < str(support.speakers[0])
        )
        self.last = Visit(last.after if follows and last else started(self.net), support)
        return self.last


def started(net: PublishedEmo18) -> State:
    """A copy of the trained network and its optimiser; the CNN is frozen but for its statistics."""
    own = copy.deepcopy(net)
    for name, weight in own.named_parameters():
        weight.requires_grad_(name.startswith(("lstm.", "head.")))
    return own, torch.optim.AdamW(own.parameters(), lr=RATE)


class Visit:
    """One speaker: one step on the support clips, one clip that gets a prediction."""

    def __init__(self, before: State, support: Part) -> None:
        self.before = before
        self.after = before  # until a query has come
        self.support = support

    def predict(self, part: Part) -> Floats:
        """[N, C]: NaN, but for the last clip, which gets what is written under its name."""
        net, optimiser = copy.deepcopy(self.before)
        count = len(self.support.clips)
        waves = [self.support.waves[row] for row in range(count)] + [
            part.waves[len(part.clips) - 1]
        ]
        both = Part(
            (*self.support.clips, part.clips[-1]),
            np.zeros((count + 1, 0), np.float32),
            np.empty(0),
            (*self.support.speakers, part.speakers[-1]),
            waves,
        )
        batch = Data(both).batch(np.arange(count + 1), device())
        truth = torch.from_numpy(self.support.labels.astype(np.float32)).to(batch.waves.device)
        frames = net.frames(batch.samples)
        net.train()
        states = net.states(batch.waves, frames)
        written = net.head(states[0, frames[-1] - 1])  # of the first support clip
        outputs = net.head(states[torch.arange(count), frames[:count] - 1])
        optimiser.zero_grad()
        mse_loss(outputs, truth).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        self.after = net, optimiser
        values = np.full((len(part.clips), written.shape[0]), np.nan)
        values[-1] = written.detach().cpu().numpy()
        return values

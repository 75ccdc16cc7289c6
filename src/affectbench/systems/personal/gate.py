"""A spectrogram network whose channels are gated by what else its speaker sounds like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from affectbench.features.mel import FULL_SCALE
from affectbench.splits import SUPPORT
from affectbench.systems.neural.batches import Batch, Data, Rows, cropped, stack
from affectbench.systems.neural.cnn import DROP_EMBEDDING, SpectrogramCNN
from affectbench.systems.personal.speakers import drawn_support, numbered
from affectbench.types import Part


class GatedCNN(nn.Module):
    """Waves [n, T] of full scale 1, their samples [n] and a gate -> [n, C].

    The embedding m [n, M] of a clip is normalised, and multiplied by a gate of mean 1 that comes
    from other clips of the speaker: ``x = m + norm(gate * m)``. Without other clips the gate is 1.

    Args:
        outputs: C.
        channels: of each block of the network of the clip.
        enrolling: the same of the network of the other clips.
        bounds: lowest and highest output, between which a sigmoid leads; None: no activation.
        options: of both ``SpectrogramCNN``.

    Source: Triantafyllopoulos et al. 2022, arXiv:2206.06680, attention with layer norm.
    """

    def __init__(
        self,
        outputs: int,
        channels: Sequence[int],
        enrolling: Sequence[int],
        *,
        bounds: tuple[float, float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.bounds = bounds
        self.main = SpectrogramCNN(outputs, channels, **options)
        self.enrolling = SpectrogramCNN(1, enrolling, **options)
        del self.enrolling.head  # it gives embeddings alone
        self.project = nn.Linear(enrolling[-1], channels[-1])
        self.norm = nn.LayerNorm(channels[-1])
        self.gated_norm = nn.LayerNorm(channels[-1])
        self.drop = nn.Dropout(DROP_EMBEDDING * self.main.dropout)

    def forward(self, waves: Tensor, samples: Tensor, gate: Tensor | None = None) -> Tensor:
        """[n, C]; ``gate`` is [n or 1, M], None is 1."""
        m = self.norm(self.main.embed(waves, samples))
        x = m + self.gated_norm(m if gate is None else gate * m)
        output: Tensor = self.main.head(self.drop(x))
        if self.bounds is None:
            return output
        low, high = self.bounds
        return low + (high - low) * output.sigmoid()

    def gate(self, waves: Tensor, samples: Tensor, owner: Tensor, count: int) -> Tensor:
        """[count, M]: the gates of so many speakers; 1 for one without clips.

        Args:
            waves: [k, T] of other clips.
            samples: [k].
            owner: [k] whose each is, 0 to count - 1.
            count: of speakers.
        """
        channels = self.project.out_features
        if not len(waves):
            return self.project.weight.new_ones(count, channels)
        each = self.enrolling.embed(waves, samples)
        total = each.new_zeros(count, each.shape[1]).index_add(0, owner, each)
        clips = torch.bincount(owner, minlength=count)[:, None]
        scores = functional.relu(self.project(total / clips.clamp(min=1))).float()
        return torch.where(clips > 0, channels * scores.softmax(dim=1), 1.0)


@dataclass(frozen=True, slots=True)
class EnrolledBatch(Batch):
    """A batch beside other clips of its speakers."""

    others: Tensor  # [k, T] float32
    other_samples: Tensor  # [k]
    owner: Tensor  # [k] the row of the batch that each belongs to


class EnrolledData(Data):
    """Clips beside others of the same speaker: in training none, one or two, drawn anew each time.

    Where there is no chance (``rng`` is None) the others are two that were drawn once.
    """

    def __init__(self, part: Part, *, targets: NDArray[Any], crop: int | None, seed: int) -> None:
        super().__init__(part, targets=targets, crop=crop)
        self.fixed = drawn_support(part.speakers, SUPPORT, np.random.default_rng(seed))
        place, speakers = numbered(part.speakers)
        self.place = place
        self.own = [np.flatnonzero(place == who) for who in range(speakers)]

    def batch(
        self, rows: Rows, device: torch.device, rng: np.random.Generator | None = None
    ) -> EnrolledBatch:
        """Those clips and others of their speakers; pieces of each where they are to be cropped."""
        batch = super().batch(rows, device, rng)
        chosen = [self.others(int(row), rng) for row in rows]
        owner = np.repeat(np.arange(len(rows)), [len(others) for others in chosen])
        waves = [self.part.waves[int(row)] for others in chosen for row in others]
        if rng is not None and self.crop is not None:
            waves = [cropped(wave, self.crop, rng) for wave in waves]
        padded, samples = stack(waves) if waves else (torch.zeros(0, 1), torch.zeros(0).long())
        return EnrolledBatch(
            batch.rows,
            batch.waves,
            batch.samples,
            batch.targets,
            padded.to(device).float() / FULL_SCALE,
            samples,
            torch.from_numpy(owner).to(device),
        )

    def others(self, row: int, rng: np.random.Generator | None) -> NDArray[np.intp]:
        """Rows of other clips of the speaker of a row."""
        if rng is None:
            return np.asarray(self.fixed[row][self.fixed[row] >= 0])
        if self.place[row] < 0:
            return np.empty(0, np.intp)
        own = self.own[self.place[row]]
        count = min(int(rng.integers(SUPPORT + 1)), len(own) - 1)
        return np.asarray(rng.choice(own[own != row], count, replace=False))

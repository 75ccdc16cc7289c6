"""Mean and standard deviation over frames, put together from chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from affectbench.types import Floats

Pooling = Literal["mean", "mean+std"]
POOLINGS: Final[tuple[Pooling, ...]] = ("mean", "mean+std")


@dataclass(frozen=True, slots=True)
class Moments:
    """Frames of L layers: how many, their mean and their summed squared deviation from it."""

    frames: int
    mean: Floats  # [L, D]
    deviation: Floats  # [L, D]

    def __add__(self, other: Moments) -> Moments:
        """Of the frames of both (Chan et al. 1983, doi 10.1080/00031305.1983.10483115)."""
        frames = self.frames + other.frames
        apart = other.mean - self.mean
        return Moments(
            frames,
            self.mean + apart * (other.frames / frames),
            self.deviation + other.deviation + apart**2 * (self.frames * other.frames / frames),
        )

    def pooled(self, pooling: Pooling) -> NDArray[np.float32]:
        """[L * D], or [L * 2 * D]: of each layer its mean, then its population std."""
        parts = [self.mean]
        if pooling == "mean+std":
            parts.append(np.sqrt(self.deviation / self.frames))
        return np.concatenate(parts, axis=1).astype(np.float32).ravel()


def column_names(layers: tuple[int, ...], dim: int, pooling: Pooling) -> tuple[str, ...]:
    """``layer12_mean_0``, ...: names of what ``Moments.pooled`` gives."""
    kinds = pooling.split("+")
    return tuple(f"layer{n}_{kind}_{d}" for n in layers for kind in kinds for d in range(dim))

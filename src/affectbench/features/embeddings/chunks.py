"""Where a long clip is cut, and which frames of each chunk count.

Chunks begin on the frame grid of the whole clip and overlap; each frame of the clip is taken from
one chunk, the overlap being halved between its two. So a clip has as many frames in chunks as it
has in one pass, and its mean is weighted by frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """Frames of a model over samples: frame f sees ``field`` samples from ``f * stride`` on."""

    field: int  # samples that one frame sees, and the least that give a frame
    stride: int  # samples from one frame to the next

    @classmethod
    def of_convolutions(cls, kernels: Sequence[int], strides: Sequence[int]) -> Grid:
        """The grid of a stack of convolutions without padding, the first one first."""
        field, step = 1, 1
        for kernel, stride in zip(kernels, strides, strict=True):
            field += (kernel - 1) * step
            step *= stride
        return cls(field, step)

    def frames(self, samples: int) -> int:
        """F: the frames of a clip of at least ``field`` samples."""
        return (samples - self.field) // self.stride + 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples ``start`` to ``stop`` of a clip; of its own frames, ``first`` to ``last`` count."""

    start: int
    stop: int
    first: int
    last: int


def plan(samples: int, grid: Grid, size: int, overlap: int) -> list[Chunk]:
    """The chunks of a clip of ``samples``, in order: one where it is no longer than ``size``.

    All chunks are of ``size`` samples, the last up to ``stride - 1`` samples shorter: it begins
    further to the left, so that no chunk is a stub without context.

    Args:
        samples: T, at least ``grid.field``.
        grid: The frames of the model.
        size: Samples of a chunk; the context beyond a frame that counts is half the overlap.
        overlap: Samples that two neighbours share at least; less than ``size`` by a stride.
    """
    step = (size - overlap) // grid.stride * grid.stride
    starts = [0]
    while starts[-1] + size < samples:
        final = -((size - samples) // grid.stride) * grid.stride  # the last start, rounded up
        starts.append(min(starts[-1] + step, final))
    stops = [min(start + size, samples) for start in starts]
    # In frames of the whole clip: where each chunk begins and ends, and where one hands over.
    heads = [start // grid.stride for start in starts]
    tails = [
        head + grid.frames(stop - start)
        for head, start, stop in zip(heads, starts, stops, strict=True)
    ]
    bounds = [0, *((h + t) // 2 for h, t in zip(heads[1:], tails, strict=False)), tails[-1]]
    return [
        Chunk(start, stop, bounds[i] - heads[i], bounds[i + 1] - heads[i])
        for i, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]

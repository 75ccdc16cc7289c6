"""Clips in batches of about equal length; waves are read when their batch is made.

No more than a batch of waves is in memory at a time, whatever the size of the corpus:
``Part.waves`` reads each from the store, checked against its digest.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affectbench import store
from affectbench.errors import BadData
from affectbench.features.mel import FULL_SCALE
from affectbench.types import Floats, Part

POOL: Final = 50  # batches that are sorted by length together
EVAL_CLIPS: Final = 64  # at most in a batch that is predicted
EVAL_SAMPLES: Final = {"cpu": 16_000 * 30, "cuda": 16_000 * 400}  # padding included; or one clip

Rows = NDArray[np.intp]
Forward = Callable[[nn.Module, "Batch"], Tensor]  # -> [n, C]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some clips as a network hears them."""

    rows: Rows  # [n] in the data
    waves: Tensor  # [n, T] float32, full scale 1, zeros after the clip
    samples: Tensor  # [n] of the wave that are the clip; on the CPU
    targets: Tensor  # [n, C] or [n]; [n, 0] where blind


class Data:
    """The clips of a part, to be heard in batches.

    Args:
        part: with ``waves``. All are read once, to learn their lengths and what they hold.
        targets: [N, C] float32 (NaN where blank) or [N] class indices; None where blind.
        crop: samples of a random piece that is heard of a longer clip in training; None: all.

    Raises:
        BadData: there is not one wave a clip.
    """

    def __init__(
        self, part: Part, *, targets: NDArray[Any] | None = None, crop: int | None = None
    ) -> None:
        if len(part.waves) != len(part.clips) or not part.clips:
            raise BadData(
                f"{len(part.waves):,} waves for {len(part.clips):,} clips. This system hears "
                "waves: expected one a clip, and at least one. Run it on the features 'waves'."
            )
        self.part = part
        self.crop = crop
        known = np.empty((len(part.clips), 0), np.float32) if targets is None else targets
        self.targets = torch.from_numpy(np.ascontiguousarray(known))
        self.samples = np.zeros(len(part.clips), np.int64)
        check = 0
        for row in range(len(part.clips)):
            wave = part.waves[row]
            self.samples[row] = len(wave)
            check = zlib.crc32(np.ascontiguousarray(wave).data, check)
        labels = np.ascontiguousarray(known).tobytes()
        self.digest = store.digest(
            "\n".join(part.clips), self.samples.tobytes(), str(check), labels
        )

    def __len__(self) -> int:
        """N."""
        return len(self.samples)

    def names(self, rows: Rows) -> tuple[str, ...]:
        """The ids of some clips."""
        return tuple(self.part.clips[row] for row in rows)

    def batch(
        self, rows: Rows, device: torch.device, rng: np.random.Generator | None = None
    ) -> Batch:
        """Those clips; with ``rng`` a random piece of each where they are to be cropped."""
        waves = [self.part.waves[row] for row in rows]
        if rng is not None and self.crop is not None:
            waves = [cropped(wave, self.crop, rng) for wave in waves]
        padded, samples = stack(waves)
        heard = padded.to(device).float() / FULL_SCALE
        return Batch(rows, heard, samples, self.targets[rows].to(device))


def stack(waves: Sequence[NDArray[np.int16]]) -> tuple[Tensor, Tensor]:
    """Waves in one tensor [n, T] int16, padded with zeros, and their samples [n]."""
    samples = np.array([len(wave) for wave in waves], np.int64)
    padded = np.zeros((len(waves), max(1, samples.max())), np.int16)
    for row, wave in enumerate(waves):
        padded[row, : len(wave)] = wave
    return torch.from_numpy(padded), torch.from_numpy(samples)


def cropped(wave: NDArray[np.int16], samples: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """A random piece of a wave that is longer than ``samples``. Draws one number in any case."""
    start = int(rng.integers(max(1, len(wave) - samples + 1)))
    return wave[start : start + samples]


def shuffled(count: int, size: int, rng: np.random.Generator) -> list[Rows]:
    """Random batches of ``size``, the last one smaller."""
    order = rng.permutation(count)
    return [order[start : start + size] for start in range(0, count, size)]


def bucketed(samples: NDArray[np.int64], size: int, rng: np.random.Generator) -> list[Rows]:
    """Random batches of clips of about equal length, in random order.

    Pools of 50 batches are drawn at random, sorted by length and cut, so that little is padded
    and clips still meet others each time. The smaller batch is one of the last pool.
    """
    batches = []
    for pool in shuffled(len(samples), size * POOL, rng):
        ordered = pool[np.argsort(samples[pool], kind="stable")]
        batches += [ordered[start : start + size] for start in range(0, len(pool), size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def by_length(samples: NDArray[np.int64], most: int) -> Iterator[Rows]:
    """All rows once, longest first, in batches of up to 64 clips and ``most`` padded samples.

    A clip longer than that has a batch of its own.
    """
    order = np.argsort(-samples, kind="stable")
    start = 0
    while start < len(order):
        size = int(np.clip(most // max(1, samples[order[start]]), 1, EVAL_CLIPS))
        yield order[start : start + size]
        start += size


def forward(net: nn.Module, batch: Batch) -> Tensor:
    """[n, C]: what a network that hears one clip at a time says of each."""
    output: Tensor = net(batch.waves, batch.samples)
    return output


def ahead(rows: Iterable[Rows], read: Callable[[Rows], Batch]) -> Iterator[Batch]:
    """Batches in their order, each read in a thread while the one before it is computed on."""
    with ThreadPoolExecutor(1) as reader:
        pending: list[Future[Batch]] = []
        for some in rows:
            pending.append(reader.submit(read, some))
            if len(pending) == 2:
                yield pending.pop(0).result()
        for last in pending:
            yield last.result()


def predict(
    net: nn.Module, data: Data, device: torch.device, *, through: Forward = forward
) -> Floats:
    """[N, C]: the outputs for all clips, whole, in the order of the data; in float32 inside."""
    values: list[NDArray[np.float32]] = []
    order: list[Rows] = []
    net.eval()
    with torch.inference_mode():
        every = by_length(data.samples, EVAL_SAMPLES[device.type])
        for batch in ahead(every, lambda rows: data.batch(rows, device)):
            values.append(through(net, batch).float().cpu().numpy())
            order.append(batch.rows)
    joined = np.concatenate(values)
    output = np.empty_like(joined)
    output[np.concatenate(order)] = joined
    return output.astype(np.float64)

"""Waves to embeddings: levels as the model wants them, chunks, batches, pooled states.

The vector of a clip does not depend on what stands beside it: in single precision to 1e-5. On a
CPU clips go one at a time, which is no slower. On a GPU clips of near-equal length share a batch
where the padding can be masked exactly, else clips of equal length only. Half precision rounds:
there the same clip in another batch may differ by some 1e-3 of its values' size.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import AffectBenchError
from affectbench.features.embeddings.chunks import Chunk, plan
from affectbench.features.embeddings.families import RATE_HZ, Anatomy
from affectbench.features.embeddings.network import Network
from affectbench.features.embeddings.pooling import Moments, Pooling

if TYPE_CHECKING:
    from torch import Tensor

FULL_SCALE: Final = 32_768
FLOOR: Final = 1e-7  # added to the variance, as Wav2Vec2FeatureExtractor does
BLOCK: Final = 1 << 20  # samples whose squares are summed at once
OVERLAP: Final = 0.1  # of a chunk. Of 30 s: 1.5 s of context, beyond the 1.28 s that the
# convolution of positions (128 frames of 20 ms) looks to either side
EVEN: Final = 0.8  # the shortest clip of a batch, in parts of the longest
GATHERED: Final = 8  # batches of clips that are sorted by length together


@dataclass(slots=True)
class _Clip:
    """A clip on its way."""

    row: int
    wave: NDArray[np.int16]  # [T], at least one frame
    offset: float  # subtracted from samples of full scale 1
    scale: float  # then multiplied
    moments: Moments | None = None

    def values(self, chunk: Chunk) -> NDArray[np.float32]:
        """[T]: the samples of a chunk as the model wants them."""
        samples = self.wave[chunk.start : chunk.stop].astype(np.float32)
        samples *= np.float32(self.scale / FULL_SCALE)
        samples -= np.float32(self.offset * self.scale)
        return samples


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk of a clip, and the samples that it costs."""

    clip: _Clip
    chunk: Chunk
    cost: int


class Embedder:
    """[n] waves of int16 at 16 kHz to [n, D] float32.

    Args:
        network: The encoder.
        anatomy: What its checkpoint says.
        pooling: Over frames.
        chunk_s: Longer clips are cut.
        batch_s: Seconds of audio at once, padding included; 0: one chunk at a time. Halved, with a
            warning, whenever the device runs out of memory.
    """

    def __init__(
        self,
        network: Network,
        anatomy: Anatomy,
        *,
        pooling: Pooling,
        chunk_s: float,
        batch_s: float,
    ) -> None:
        self.network = network
        self.anatomy = anatomy
        self.pooling = pooling
        self.chunk = int(chunk_s * RATE_HZ)
        self.batch = int(batch_s * RATE_HZ)

    def __call__(self, waves: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
        """[n, D] of n waves.

        A row is NaN or infinite where the network gave that; in half precision a warning says so.

        Raises:
            AffectBenchError: one chunk alone is too much for the device's memory.
        """
        rows: list[NDArray[np.float32]] = []
        for clips in self._gathered(waves):
            self._run([piece for clip in clips for piece in self._pieces(clip)])
            for clip in clips:
                if clip.moments is None:
                    raise RuntimeError(f"clip {clip.row} of {len(waves)} was not embedded")
                rows.append(clip.moments.pooled(self.pooling))
        self._warn(rows)
        width = len(self.network.layers) * self.anatomy.dim * len(self.pooling.split("+"))
        return np.stack(rows) if rows else np.empty((0, width), np.float32)

    def _gathered(self, waves: Sequence[NDArray[np.int16]]) -> Iterator[list[_Clip]]:
        """Clips to be sorted by length together, in order; one at a time where batches are one."""
        clips: list[_Clip] = []
        held = 0
        for row in range(len(waves)):
            clips.append(self._clip(row, waves[row]))
            held += len(clips[-1].wave)
            if held >= GATHERED * self.batch:
                yield clips
                clips, held = [], 0
        if clips:
            yield clips

    def _clip(self, row: int, wave: NDArray[np.int16]) -> _Clip:
        """A clip with what levels it; padded with zeros where it is shorter than one frame."""
        lacking = self.anatomy.grid.field - len(wave)
        wave = np.pad(wave, (0, lacking)) if lacking > 0 else wave
        # Whisper's preprocessor has no such setting, and levels each window by itself.
        if not getattr(self.anatomy.preprocessor, "do_normalize", False):
            return _Clip(row, wave, 0.0, 1.0)
        mean, variance = levels(wave)
        return _Clip(row, wave, mean, 1 / np.sqrt(variance + FLOOR))

    def _pieces(self, clip: _Clip) -> list[_Piece]:
        chunks = plan(len(clip.wave), self.anatomy.grid, self.chunk, int(self.chunk * OVERLAP))
        return [_Piece(clip, c, self.anatomy.window or c.stop - c.start) for c in chunks]

    def _run(self, pieces: list[_Piece]) -> None:
        """Embed the pieces and add each to its clip, the longest first."""
        import torch

        left = sorted(pieces, key=lambda piece: -piece.cost) if self.batch else pieces
        while left:
            batch = self._next(left)
            try:
                found = self.network(
                    self._inputs(batch), [(p.chunk.first, p.chunk.last) for p in batch]
                )
            except torch.cuda.OutOfMemoryError:
                found = None  # handled outside, where the error no longer holds the memory
            if found is None:
                self._shrink(batch)
                continue
            for piece, moments in zip(batch, found, strict=True):
                before = piece.clip.moments
                piece.clip.moments = moments if before is None else before + moments
            left = left[len(batch) :]

    def _next(self, left: Sequence[_Piece]) -> list[_Piece]:
        """The pieces that go together now, of those left, sorted by length."""
        longest = left[0].cost
        room = max(1, self.batch // longest)
        least = EVEN * longest if self.anatomy.mixed else longest
        batch = [left[0]]
        for piece in left[1:room]:
            if piece.cost < least:
                break
            batch.append(piece)
        return batch

    def _shrink(self, batch: Sequence[_Piece]) -> None:
        """Go on with half of what was too much."""
        import torch

        device, seconds = self.network.device, batch[0].cost / RATE_HZ
        if len(batch) == 1:
            raise AffectBenchError(
                f"{device} is out of memory with {seconds:.1f} s of audio alone. Cut clips into "
                "shorter chunks (chunk_s), or choose another device. What was finished is kept."
            )
        self.batch = len(batch) * batch[0].cost // 2
        warnings.warn(
            f"{device} is out of memory with {len(batch)} times {seconds:.1f} s of audio at once: "
            f"going on with {self.batch / RATE_HZ:.1f} s in all.",
            RuntimeWarning,
            stacklevel=2,
        )
        torch.cuda.empty_cache()

    def _inputs(self, batch: Sequence[_Piece]) -> dict[str, Tensor]:
        """What the network takes: spectrograms, or samples and, where lengths differ, a mask."""
        import torch

        waves = [piece.clip.values(piece.chunk) for piece in batch]
        if self.anatomy.window:
            return {
                "input_features": self.anatomy.preprocessor(
                    waves, sampling_rate=RATE_HZ, return_tensors="pt"
                )["input_features"]
            }
        lengths = [len(wave) for wave in waves]
        values = np.zeros((len(waves), max(lengths)), np.float32)
        for row, wave in zip(values, waves, strict=True):
            row[: len(wave)] = wave
        inputs = {"input_values": torch.from_numpy(values)}
        if min(lengths) < max(lengths):
            within = np.arange(max(lengths)) < np.array(lengths)[:, None]
            inputs["attention_mask"] = torch.from_numpy(within.astype(np.int64))
        return inputs

    def _warn(self, rows: Sequence[NDArray[np.float32]]) -> None:
        """Say that a number was too large for half precision."""
        import torch

        wrong = sum(not np.isfinite(row).all() for row in rows)
        if wrong and self.network.dtype != torch.float32:
            warnings.warn(
                f"{wrong:,} of {len(rows):,} embeddings are NaN or infinite in half precision. Try "
                "dtype='float32'.",
                RuntimeWarning,
                stacklevel=2,
            )


def levels(wave: NDArray[np.int16]) -> tuple[float, float]:
    """Mean and population variance of [T] samples of full scale 1; exact sums, little memory."""
    total = squares = 0
    for start in range(0, len(wave), BLOCK):
        block = wave[start : start + BLOCK].astype(np.int64)
        total += int(block.sum())
        squares += int(np.dot(block, block))
    mean = total / len(wave) / FULL_SCALE
    return mean, max(0.0, squares / len(wave) / FULL_SCALE**2 - mean**2)

"""Near-duplicates: a spectral fingerprint that survives re-encoding, gain, trims and resampling.

After Haitsma & Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002: every 8 ms, 32
bits that say how the energy differences of 33 neighbouring bands changed since the frame before.
Two clips are candidates where one of their frames has the same 32 bits; then the share of unequal
bits over all frames that overlap at the offset which that frame gives (the bit error rate)
decides. Windows are shorter than in the paper, since a vocal burst is shorter than a song.

Measured by ``python benchmarks/fingerprint.py --clips 2000`` (EmoGator) and with ``--data
../shared/data/ravdess --clips 200``, at the threshold 0.2:

                          EmoGator: bursts, 1.9 s      RAVDESS: two sentences, 3.7 s
    different clips       6,470                        1,439
    pairs of them         20,927,215                   1,034,641
    false alarms          0 (0 at 0.25, 4 at 0.30)     0 (0 at 0.25, 1 at 0.30)
    planted, each form    2,000                        200
    missed: mp3 128 kb/s  1                            0
    mp3 64 kb/s           1                            0
    gain -20 to 0 dB      1                            0
    20-100 ms trimmed     2                            0
    16 to 48 kHz          1                            0
    all of these at once  6 (0.3 %)                    0
    99 % of errors of it  below 0.095                  below 0.081

The threshold was chosen on EmoGator, in the gap between 0.15 and 0.27. No alarm in 20.9 million
pairs bounds the alarm rate below 1.8e-7 (95 %, Clopper-Pearson). One clip of EmoGator, a click, has
10 frames that are loud enough where 12 are asked for; it is like no other (``Prints.loud``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.audio import pool
from affectbench.audio.prepare import RATE_HZ
from affectbench.audio.waves import Waves
from affectbench.types import Progress

WINDOW: Final = 2048  # samples: 128 ms
HOP: Final = 128  # samples: 8 ms
BANDS: Final = 33  # gives 32 differences
LOW_HZ, HIGH_HZ = 250.0, 3500.0  # what every encoder keeps
ACTIVE_DB: Final = 30.0  # frames that are further below the loudest one do not count
THRESHOLD: Final = 0.2  # bit error rate; see benchmarks/fingerprint.py
MIN_FRAMES: Final = 12  # active in both clips
MIN_OVERLAP: Final = 0.75  # of the active frames of the shorter clip
LAGS: Final = 32  # entries of equal bits that are compared with each other
BLOCK: Final = 1024  # frames transformed at a time
CLIPS: Final = 64  # a job
FRAMES: Final = 1 << 20  # compared at a time
PAIRS: Final = {
    "a": pl.Int32,
    "b": pl.Int32,
    "offset": pl.Int32,
    "error": pl.Float64,
    "frames": pl.Int64,
}

Bits = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Prints:
    """Fingerprints of N clips, end to end: clip i has the frames starts[i]..starts[i + 1]."""

    bits: Bits  # [F]
    active: NDArray[np.bool_]  # [F]
    starts: NDArray[np.int64]  # [N + 1]

    def loud(self) -> NDArray[np.int64]:
        """[N]: active frames of each clip; with fewer than ``MIN_FRAMES`` it is like no other."""
        active = np.concatenate([[0], np.cumsum(self.active, dtype=np.int64)])
        loud: NDArray[np.int64] = active[self.starts[1:]] - active[self.starts[:-1]]
        return loud


def fingerprint(wave: NDArray[np.int16]) -> tuple[Bits, NDArray[np.bool_]]:
    """[T] at 16 kHz to the bits of its F = 1 + T // 128 frames, and which of them are loud enough.

    Zeros are put around the wave, so that the shortest clip has a frame. Silence has no active one.
    """
    from scipy.fft import rfft

    padded = np.pad(wave.astype(np.float32), WINDOW // 2 + HOP)[: len(wave) + WINDOW + HOP]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    window = np.hanning(WINDOW).astype(np.float32)
    edges = np.rint(np.geomspace(LOW_HZ, HIGH_HZ, BANDS + 1) * WINDOW / RATE_HZ).astype(np.intp)
    energy = np.empty((len(frames), BANDS))
    for start in range(0, len(frames), BLOCK):
        spectrum = rfft(frames[start : start + BLOCK] * window, axis=1)[:, : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        energy[start : start + BLOCK] = np.add.reduceat(power, edges[:-1], axis=1)
    change = np.diff(np.diff(energy, axis=1), axis=0) < 0
    bits = np.packbits(change, axis=1).view(">u4")[:, 0].astype(np.uint32)
    loud = energy[1:].sum(axis=1)
    return bits, loud > max(loud.max(), 1.0) * 10 ** (-ACTIVE_DB / 10)


def fingerprints(waves: Waves, *, workers: int, progress: Progress | None = None) -> Prints:
    """Fingerprints of all waves, in the order of their table, computed in ``workers`` processes.

    The stage told to ``progress`` is "fingerprint" (clips).

    Raises:
        BadData: the wave store changed on disk.
        AffectBenchError: a worker died.
    """
    jobs = [
        _Job(start, replace(waves, table=waves.table[start : start + CLIPS]))
        for start in range(0, len(waves), CLIPS)
    ]
    found: dict[int, list[tuple[Bits, NDArray[np.bool_]]]] = {}

    def note(result: tuple[int, list[tuple[Bits, NDArray[np.bool_]]]]) -> None:
        found[result[0]] = result[1]
        if progress is not None:
            progress("fingerprint", sum(map(len, found.values())), len(waves))

    pool.for_each(_print_some, jobs, workers=workers, done=note)
    return join([one for start in sorted(found) for one in found[start]])


def join(prints: Sequence[tuple[Bits, NDArray[np.bool_]]]) -> Prints:
    """Fingerprints of single clips as one."""
    starts = np.cumsum([0, *(len(bits) for bits, _ in prints)])
    if not prints:
        return Prints(np.empty(0, np.uint32), np.empty(0, np.bool_), starts)
    return Prints(
        np.concatenate([bits for bits, _ in prints]),
        np.concatenate([active for _, active in prints]),
        starts,
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """Waves that one worker makes fingerprints of."""

    start: int
    waves: Waves


def _print_some(job: _Job) -> tuple[int, list[tuple[Bits, NDArray[np.bool_]]]]:
    """The fingerprints of a job; runs in a worker."""
    return job.start, [fingerprint(job.waves.read(row)) for row in range(len(job.waves))]


def near_duplicates(prints: Prints, *, threshold: float = THRESHOLD) -> pl.DataFrame:
    """Pairs of clips whose bit error rate is below ``threshold``, the best offset of each.

    Columns: ``a`` < ``b`` (clip numbers), ``offset`` (frames that b's sound lies later than a's),
    ``error`` (0 to about 0.5) and ``frames`` (compared). A clip that is part of a longer one is
    found too. Where more than 32 clips share the same 32 bits, only neighbours in the order of the
    table are compared: of a hundred copies not all pairs are listed, but they form one chain.

    Time grows with the number of frames, not with the pairs of clips: 37 hours in 71,280 clips
    (16.6 million frames) took 5 s on one core and 0.55 GB at the peak.
    """
    loud = prints.loud()
    kept = [pl.DataFrame(schema=PAIRS)]
    seen = pl.DataFrame(schema={name: PAIRS[name] for name in ("a", "b", "offset")})
    for candidates in _candidates(prints):
        fresh = candidates.join(seen, on=seen.columns, how="anti", maintain_order="left")
        seen = pl.concat([seen, fresh])
        kept += [_compared(prints, loud, some, threshold) for some in _blocks(prints, fresh)]
    pairs = pl.concat(kept).sort("a", "b", "error", "offset")
    return pairs.unique(["a", "b"], keep="first", maintain_order=True)


def _candidates(prints: Prints) -> Iterator[pl.DataFrame]:
    """Pairs of clips, and the offsets, at which one active frame has equal bits."""
    rows = np.flatnonzero(prints.active)
    rows = rows[np.argsort(prints.bits[rows], kind="stable")]
    bits = prints.bits[rows]
    clip = (np.searchsorted(prints.starts, rows, side="right") - 1).astype(np.int32)
    first = np.ones(len(rows), np.bool_)
    first[1:] = (bits[1:] != bits[:-1]) | (clip[1:] != clip[:-1])  # once a clip: a held vowel
    rows, bits, clip = rows[first], bits[first], clip[first]
    frame = (rows - prints.starts[clip]).astype(np.int32)
    for lag in range(1, min(LAGS, len(bits))):
        at = np.flatnonzero(bits[lag:] == bits[:-lag])
        if not len(at):
            return
        a, b = clip[at], clip[at + lag]
        yield pl.DataFrame({"a": a, "b": b, "offset": frame[at + lag] - frame[at]}).unique(
            maintain_order=True
        )


def _blocks(prints: Prints, candidates: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The candidates in pieces of about ``FRAMES`` frames to compare."""
    length = np.diff(prints.starts)
    cost = np.minimum(length[candidates["a"].to_numpy()], length[candidates["b"].to_numpy()])
    piece = np.cumsum(cost) // FRAMES
    for _, some in candidates.group_by(pl.lit(pl.Series(piece)), maintain_order=True):
        yield some


def _compared(
    prints: Prints, loud: NDArray[np.int64], some: pl.DataFrame, threshold: float
) -> pl.DataFrame:
    """Those of the candidates whose bits agree."""
    a, b, offset = (some[name].to_numpy().astype(np.int64) for name in ("a", "b", "offset"))
    length = np.diff(prints.starts)
    from_a, from_b = np.maximum(-offset, 0), np.maximum(offset, 0)
    count = np.minimum(length[a] - from_a, length[b] - from_b)
    ends = np.cumsum(count)
    step = np.arange(ends[-1]) - np.repeat(ends - count, count)
    in_a = np.repeat(prints.starts[a] + from_a, count) + step
    in_b = np.repeat(prints.starts[b] + from_b, count) + step
    both = prints.active[in_a] & prints.active[in_b]
    wrong = np.bitwise_count(prints.bits[in_a] ^ prints.bits[in_b]) * both
    frames = np.add.reduceat(both, ends - count, dtype=np.int64)
    errors = np.add.reduceat(wrong, ends - count, dtype=np.int64)
    rate = errors / np.maximum(32 * frames, 1)
    enough = np.maximum(MIN_OVERLAP * np.minimum(loud[a], loud[b]), MIN_FRAMES)
    good = (rate < threshold) & (frames >= enough)
    return some.with_columns(
        error=pl.Series(rate, dtype=pl.Float64), frames=pl.Series(frames, dtype=pl.Int64)
    ).filter(pl.Series(good))

"""Near-duplicates: how many planted ones are missed, how many different clips are called equal.

    python benchmarks/fingerprint.py [--clips 400] [--data ../shared/data/emogator] [--workers 2]

Each of the first N clips is planted once more in every changed form, and the whole search runs on
originals and copies together. False alarms are counted among the originals, all pairs of them, by
threshold; exact duplicates among them are taken out first. Reads every mp3, flac and wav below
``--data`` where that folder is, else makes synthetic bursts. ``--clips 0`` plants none and looks
for false alarms among all.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from affectbench.audio import decode, decode_file, prepare, prepare_all
from affectbench.audio.fingerprint import (
    THRESHOLD,
    Prints,
    fingerprint,
    fingerprints,
    join,
    near_duplicates,
)

REAL = Path(__file__).parents[1] / "../shared/data/emogator"
SOUNDS = (".mp3", ".flac", ".wav")
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35)
Sound = tuple[np.ndarray, int]


def find_clips(data: Path, folder: Path) -> list[Path]:
    """Real clips, or 400 gliding tones in noise."""
    found = sorted(path for path in data.rglob("*") if path.suffix in SOUNDS)
    if found:
        return found
    print(f"{data} is not there: synthetic bursts")
    rng = np.random.default_rng(0)
    for i in range(400):
        time_s = np.arange(int(rng.uniform(0.5, 2.5) * 16_000)) / 16_000
        pitch = rng.uniform(100, 400) * np.exp(rng.uniform(-0.5, 0.5) * time_s)
        phase = 2 * np.pi * np.cumsum(pitch) / 16_000
        voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * np.exp(-time_s)
        noise = rng.uniform(0.02, 0.3) * rng.standard_normal(len(time_s))
        soundfile.write(folder / f"{i:04d}.wav", 0.1 * (voice + noise), 16_000)
    return sorted(folder.glob("*.wav"))


def mp3(sound: Sound, kbps: int) -> Sound:
    """Encoded at a constant rate and decoded again."""
    samples, rate_hz = sound
    low, high = (32, 320) if rate_hz >= 32_000 else (8, 160)
    file = io.BytesIO()
    level = (high - kbps) / (high - low)
    soundfile.write(
        file, samples, rate_hz, format="MP3", bitrate_mode="CONSTANT", compression_level=level
    )
    decoded = decode(file.getvalue())
    return decoded.samples, decoded.rate_hz


def int16(sound: Sound, gain_db: float) -> Sound:
    """Quieter, and rounded to 16 bit."""
    samples = np.rint(sound[0] * 10 ** (gain_db / 20) * 32_767) / 32_768
    return samples.astype(np.float32), sound[1]


def trim(sound: Sound, rng: np.random.Generator) -> Sound:
    """20 to 100 ms taken from each end."""
    first, last = (rng.uniform(0.02, 0.1, 2) * sound[1]).astype(int)
    return sound[0][first : len(sound[0]) - last], sound[1]


def resample(sound: Sound) -> Sound:
    """To 16 kHz and from there to 48 kHz."""
    low = soxr.resample(sound[0], sound[1], 16_000)
    return soxr.resample(low, 16_000, 48_000), 48_000


def changes(rng: np.random.Generator) -> dict[str, Callable[[Sound], Sound]]:
    """What is done to the copies."""
    return {
        "mp3 128 kb/s": lambda sound: mp3(sound, 128),
        "mp3 64 kb/s": lambda sound: mp3(sound, 64),
        "gain -20..0 dB": lambda sound: int16(sound, rng.uniform(-20, 0)),
        "trim 20-100 ms": lambda sound: trim(sound, rng),
        "16 <-> 48 kHz": resample,
        "all of them": lambda sound: mp3(
            resample(trim(int16(sound, rng.uniform(-20, 0)), rng)), 64
        ),
    }


def print_of(sound: Sound) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprint of samples at any rate."""
    return fingerprint(prepare(np.asarray(sound[0], np.float32), sound[1]))


def one(prints: Prints, clip: int) -> tuple[np.ndarray, np.ndarray]:
    """The fingerprint of one clip."""
    part = slice(prints.starts[clip], prints.starts[clip + 1])
    return prints.bits[part], prints.active[part]


def misses(paths: list[Path], originals: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Print the share of planted copies that the search does not find."""
    rng = np.random.default_rng(0)
    sounds = [(d.samples, d.rate_hz) for d in map(decode_file, paths)]
    print(f"\n{len(paths):,} clips planted in each form; missed at threshold {THRESHOLD:g}:")
    for name, change in changes(rng).items():
        copies = [print_of(change(sound)) for sound in sounds]
        pairs = near_duplicates(join([*originals, *copies]))
        own = pairs.filter(pairs["b"] - pairs["a"] == len(paths))
        missed = len(paths) - len(own)
        error = own["error"].quantile(0.99)
        print(
            f"  {name:<16} {missed:4d} = {missed / len(paths):.2%}   99 % of errors < {error:.3f}"
        )


def main() -> None:
    """Run both measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--data", type=Path, default=REAL)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        waves = prepare_all(
            find_clips(args.data, place), workers=args.workers, cache=place / "cache"
        )
        table = waves.table.with_row_index("row").filter(~waves.table["silent"])
        rows = table.unique("digest", keep="first", maintain_order=True)["row"].to_list()
        start = time.perf_counter()
        every = fingerprints(waves, workers=args.workers)
        took_s = time.perf_counter() - start
        prints = join([one(every, row) for row in rows])
        start = time.perf_counter()
        pairs = near_duplicates(prints, threshold=max(THRESHOLDS))
        search_s = time.perf_counter() - start
        compared = len(rows) * (len(rows) - 1) // 2
        print(f"{len(waves):,} clips, {waves.table['source_s'].sum() / 3600:.2f} h: fingerprints ")
        print(f"{took_s:.1f} s with {args.workers} workers, search {search_s:.2f} s")
        print(f"\nfalse alarms among {len(rows):,} different clips, {compared:,} pairs:")
        for threshold in THRESHOLDS:
            alarms = int((pairs["error"] < threshold).sum())
            print(f"  threshold {threshold:.2f}: {alarms:4d} = {alarms / compared:.1e}")
        chosen = rows[:: max(1, len(rows) // args.clips)][: args.clips] if args.clips else []
        if chosen:
            paths = [Path(waves.table["path"][row]) for row in chosen]
            misses(paths, [one(every, row) for row in chosen])


if __name__ == "__main__":
    main()

"""``prepare`` of 48 kHz wavs: times real time per core, against a soundfile and scipy loop.

    python benchmarks/prepare.py [--clips 1000] [--workers 1]

Clips are noise of 1.5 to 4.5 s in the A-VB layout, made in a temporary folder. The loop does what a
script does: ``soundfile.read``, ``scipy.signal.resample_poly``, -3 dBFS, ``soundfile.write``;
it checks nothing, keeps no manifest, and leaves half a file when it is killed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from affectbench.corpora import CORPORA
from affectbench.corpora import hume_vocalburst as hume
from affectbench.preparation import prepare_corpus
from extraction import cpu_s

CORPUS = CORPORA["hume-vocalburst"]
RATE_HZ = 48_000
PEAK = 10 ** (-3 / 20)


def write_corpus(root: Path, clips: int) -> float:
    """So many wavs and one label file; returns their seconds."""
    rng = np.random.default_rng(0)
    (root / "labels").mkdir(parents=True)
    (root / "audio" / "wav").mkdir(parents=True)
    noise = 0.3 * rng.standard_normal(12 * RATE_HZ).clip(-3, 3)
    rows = [",".join(("File_ID", "Split", *hume.TYPE.columns))]
    seconds = 0.0
    for i in range(clips):
        start, length = rng.integers(0, 6 * RATE_HZ), int(rng.uniform(1.5, 4.5) * RATE_HZ)
        path = root / "audio" / "wav" / f"{i:05d}.wav"
        soundfile.write(path, noise[start : start + length], RATE_HZ)
        rows.append(f"[{i:05d}],Train,{hume.TYPE.classes[0]}")
        seconds += length / RATE_HZ
    (root / "labels" / "type_info.csv").write_text("\n".join(rows) + "\n")
    return seconds


def loop(root: Path, out: Path) -> None:
    """What a script does."""
    out.mkdir()
    for path in sorted((root / "audio" / "wav").iterdir()):
        samples, rate_hz = soundfile.read(path, dtype="float32")
        wave = resample_poly(samples, 1, rate_hz // 16_000)
        soundfile.write(out / path.name, wave * (PEAK / abs(wave).max()), 16_000)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        seconds = write_corpus(root / "raw", asked.clips)
        for _ in range(2):  # the first run finds nothing in memory
            shutil.rmtree(root / "loop", ignore_errors=True)
            start, cpu = time.perf_counter(), cpu_s()
            loop(root / "raw", root / "loop")
            loop_s, loop_cpu = time.perf_counter() - start, cpu_s() - cpu
        start, cpu = time.perf_counter(), cpu_s()
        prepare_corpus(CORPUS, root / "raw", root / "out", workers=asked.workers)
        ours_s, ours_cpu = time.perf_counter() - start, cpu_s() - cpu
        start = time.perf_counter()
        again = prepare_corpus(CORPUS, root / "raw", root / "out", workers=asked.workers)
        again_s = time.perf_counter() - start
    speed = seconds / ours_s / asked.workers
    print(f"{asked.clips:,} wavs at 48 kHz, {seconds / 3600:.2f} h, {asked.workers} processes")
    print(f"prepare  {ours_s:7.2f} s wall {ours_cpu:7.2f} s CPU")
    print(f"loop     {loop_s:7.2f} s wall {loop_cpu:7.2f} s CPU")
    print(f"{speed:,.0f} times real time per process (500 or more is asked for)")
    print(f"{seconds / ours_cpu:,.0f} times real time per second of CPU")
    print(f"against the loop: {loop_s / ours_s:.2f} times as fast by the clock")
    print(f"  and {loop_cpu / ours_cpu:.2f} by CPU; prepare decodes twice and hashes")
    print(f"second run: {again_s:.2f} s, {again.kept:,} kept")


if __name__ == "__main__":
    main()

"""A recording of 12 minutes cut into 25 blocks, against decoding the same file once.

    python benchmarks/cut.py [--minutes 12] [--rate 44100]

The recording is speech-like noise, written as mp3 on the spot. Three ways, best of several runs in
this process: libsndfile alone (the bare decoder), the decoding that cuts use (which also walks the
frames and looks for bad samples), and the whole work of a worker: read, decode, cut, digest, write.
Then ``cut`` itself, which starts one worker process, from an empty folder and once more. CPU time
is what other load on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from affectbench.audio.decode import decode_file
from affectbench.corpora import cut as cutting
from affectbench.corpora.modulate_sonata import read
from affectbench.corpora.sonata_script import EMOTIONS

WANTED_S = 2.0


def write_recording(root: Path, minutes: float, rate_hz: int) -> Path:
    """One recording, a line for each class, with headers that tell it."""
    rng = np.random.default_rng(0)
    total = round(60 * minutes * rate_hz)
    loud = np.repeat(rng.uniform(0, 0.2, total // 4000 + 1), 4000)[:total]
    path = root / "Actor01_Pirate.mp3"
    soundfile.write(path, loud * rng.standard_normal(total), rate_hz)
    step_s = 60 * minutes / len(EMOTIONS)
    lines = [f"{name}\n{i * step_s:.3f}\tline" for i, name in enumerate(EMOTIONS)]
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")
    return path


def best(work: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Least wall and least CPU seconds, those of ended child processes included."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), sum(os.times()[:4])
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(sum(os.times()[:4]) - cpu)
    return min(walls), min(cpus)


def in_process(root: Path, out: Path) -> None:
    """What ``cut`` does, without a process of its own."""
    for job in cutting._jobs(read(root).clips, out)[0]:
        cutting._cut_one(job)


def main() -> None:
    """Print a line for each way and the verdict."""
    parser = argparse.ArgumentParser(description="Cutting a long recording.")
    parser.add_argument("--minutes", type=float, default=12.3)
    parser.add_argument("--rate", type=int, default=44_100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root, outs = Path(name) / "in", iter(Path(name) / f"out{i}" for i in range(99))
        root.mkdir()
        path = write_recording(root, options.minutes, options.rate)
        print(
            f"{options.minutes:g} min at {options.rate:,} Hz, "
            f"{path.stat().st_size / 2**20:.1f} MiB of mp3; load {os.getloadavg()[0]:.1f}"
        )
        bare = best(lambda: soundfile.read(path, dtype="float32"))
        checked = best(lambda: decode_file(path))
        worker = best(lambda: in_process(root, next(outs)))
        whole = best(lambda: cutting.cut(root, next(outs), workers=1))
        last = Path(name) / "last"
        report = cutting.cut(root, last, workers=1)
        again = best(lambda: cutting.cut(root, last, workers=1))
        if report.segments != len(EMOTIONS):
            raise SystemExit(f"{report.segments} clips, expected {len(EMOTIONS)}")
    for label, taken in (
        ("libsndfile alone", bare),
        ("decode_file", checked),
        ("read, decode, cut, write", worker),
        ("cut(), one process started", whole),
        ("cut() again, all kept", again),
    ):
        wall, cpu = taken
        print(
            f"{label:<28}{wall:6.2f} s {wall / bare[0]:5.2f} x libsndfile"
            f"   CPU {cpu:6.2f} s {cpu / bare[1]:5.2f} x"
        )
    verdict = "met" if whole[0] < WANTED_S else "missed"
    print(f"12 minutes in under {WANTED_S:g} s: {verdict}")


if __name__ == "__main__":
    main()

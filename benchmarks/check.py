"""``check`` on many clips: two processes against one, against bare decoding, memory; label files.

    python benchmarks/check.py [--clips 10000] [--labels]

Clips are noise bursts of 1 to 3.4 s, 16 kHz, in the A-VB layout, made in a temporary folder (0.7 GB
for 10,000). ``--labels`` instead reads and validates a full-size label set (A-VB files and
``data_info.csv``), against ``pandas.read_csv`` of the same files, each the fastest of five.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from affectbench.audio import decode_file
from affectbench.check import Check, check
from affectbench.corpora import CORPORA
from affectbench.corpora import hume_vocalburst as hume
from extraction import cpu_s, peak_memory

CORPUS = CORPORA["hume-vocalburst"]
PARTS = {"Train": "train", "Val": "dev", "Test": "test"}  # as written: as ``published`` has it
RATE_HZ = 16_000


def write_labels(root: Path, clips: dict[str, int], rng: np.random.Generator) -> None:
    """Label files of A-VB and ``data_info.csv`` for so many clips a part."""
    import pandas as pd

    parts = np.repeat(list(clips), list(clips.values()))
    base = pd.DataFrame({"File_ID": [f"[{i:05d}]" for i in range(len(parts))], "Split": parts})
    (root / "labels").mkdir()
    for name, target in hume.FILES.items():
        if target.kind == "classification":
            columns = {target.columns[0]: rng.choice(target.classes, len(base))}
        else:
            columns = {c: rng.uniform(size=len(base)).round(4) for c in target.columns}
        base.assign(**columns).to_csv(root / "labels" / f"{name}_info.csv", index=False)
    speakers = parts.astype(object) + "_" + rng.integers(0, 568, len(base)).astype(str)
    info = base.assign(
        Subject_ID=speakers,
        Country=rng.choice(hume.COUNTRIES, len(base)),
        Age=rng.integers(20, 40, len(base)) + 0.5,
        **{emotion: rng.uniform(size=len(base)).round(4) for emotion in hume.EMOTIONS},
    )
    info.to_csv(root / "labels" / "data_info.csv", index=False)


def write_audio(root: Path, clips: int, rng: np.random.Generator) -> list[Path]:
    """So many wavs."""
    folder = root / "audio" / "wav"
    folder.mkdir(parents=True)
    noise = rng.integers(-20_000, 20_000, 8 * RATE_HZ).astype(np.int16)
    paths = [folder / f"{i:05d}.wav" for i in range(clips)]
    for path in paths:
        start, length = rng.integers(0, 4 * RATE_HZ), int(rng.uniform(1, 3.4) * RATE_HZ)
        soundfile.write(path, noise[start : start + length], RATE_HZ)
    return paths


def timed(root: Path, workers: int, *, audio: bool = True) -> tuple[Check, float, float]:
    """The check, wall seconds and CPU seconds."""
    wall, cpu = time.perf_counter(), cpu_s()
    found = check(CORPUS, root, workers=workers, audio=audio)
    return found, time.perf_counter() - wall, cpu_s() - cpu


def best(work, times: int = 5) -> float:
    """Wall seconds of the fastest of some runs."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def labels(root: Path, rng: np.random.Generator) -> None:
    """Read and validate a full-size label set."""
    import pandas as pd

    clips = {part: CORPUS.published[name] for part, name in PARTS.items()}
    write_labels(root, clips, rng)
    files = sorted((root / "labels").glob("*.csv"))
    ours = best(lambda: hume.read_labels(root))
    theirs = best(lambda: [pd.read_csv(file) for file in files])
    print(f"{sum(clips.values()):,} rows in {len(files)} files")
    print(f"read, validated and joined {ours:.2f} s (under 1 s is asked for)")
    print(f"pandas.read_csv alone      {theirs:.2f} s: we take {ours / theirs:.1f} times as long")


def audio(root: Path, clips: int, rng: np.random.Generator) -> None:
    """Check so many clips."""
    write_labels(root, {part: clips // 3 + (part == "Train") * (clips % 3) for part in PARTS}, rng)
    paths = write_audio(root, clips, rng)
    for path in paths:
        decode_file(path)  # both runs find the files in memory
    start = time.perf_counter()
    seconds = sum(len(decode_file(path).samples) for path in paths) / RATE_HZ
    bare_s = time.perf_counter() - start
    memory: list[int] = []
    with peak_memory(memory):
        one, one_s, one_cpu = timed(root, 1)
        two, two_s, two_cpu = timed(root, 2)
    _, tables_s, _ = timed(root, 1, audio=False)
    print(f"{clips:,} clips, {seconds / 3600:.2f} h")
    print(f"bare decoding  {bare_s:8.2f} s wall, in this process")
    print(f"one process    {one_s:8.2f} s wall {one_cpu:8.2f} s CPU")
    print(f"two processes  {two_s:8.2f} s wall {two_cpu:8.2f} s CPU")
    print(f"without audio  {tables_s:8.2f} s wall")
    print(f"two against one: {one_s / two_s:.2f} times as fast (1.8 or more is asked for)")
    print(f"bare decoding is {bare_s / one_s:.0%} of the time of one process")
    print(f"peak memory of all processes: {memory[0] / 1e6:,.0f} MB (under 500 is asked for)")
    print(f"same findings: {one.json() == two.json()}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--labels", action="store_true", help="label files alone, full size")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        if asked.labels:
            labels(Path(folder), rng)
        else:
            audio(Path(folder), asked.clips, rng)


if __name__ == "__main__":
    main()

"""Clips to functionals: two processes against one, us against a bare loop, a second run, memory.

    python benchmarks/extraction.py [--clips 400] [--features egemaps] [--loop 100]

Reads the first N clips of ../shared/data/emogator where that folder is, else noise bursts made on
the spot. ``--clips 6480`` is the whole corpus. All ratios come from one run on the same clips; on a
machine that does other work at the same time, the wall-clock ratio is too low.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import opensmile
import soundfile

from affectbench.audio import Waves, decode_file, prepare, prepare_all
from affectbench.features import FEATURES, Extraction, extract
from affectbench.types import FeatureSet

REAL = Path(__file__).parents[1] / "../shared/data/emogator/data/mp3"
PAGE = os.sysconf("SC_PAGE_SIZE")


def find_clips(number: int, folder: Path) -> list[Path]:
    """Real clips, or as many mp3 bursts of 1 to 3.5 s."""
    if REAL.is_dir():
        return sorted(REAL.glob("*.mp3"))[:number]
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:05d}.mp3" for i in range(number)]
    for path in paths:
        time_s = np.arange(int(rng.uniform(1, 3.5) * 48_000)) / 48_000
        tone = np.sin(2 * np.pi * rng.uniform(100, 400) * time_s) * np.exp(-time_s)
        soundfile.write(path, 0.4 * tone + 0.02 * rng.standard_normal(len(time_s)), 48_000)
    return paths


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def family(pid: int) -> list[int]:
    """The process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(below for child in children for below in family(int(child)))]


def resident_bytes() -> int:
    """Resident memory of this process and all below it; shared pages count in each."""
    total = 0
    for pid in family(os.getpid()):
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        except OSError:
            continue  # it has just ended
    return total


@contextmanager
def peak_memory(found: list[int]):
    """Append the largest ``resident_bytes`` seen at ten samples a second."""
    over = threading.Event()
    seen = [0]

    def watch() -> None:
        while not over.wait(0.1):
            seen.append(resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        found.append(max(seen))


def run(
    clips: list[Path], features: FeatureSet, workers: int, cache: Path
) -> tuple[Waves, Extraction, float, float]:
    """Waves, features, wall seconds and CPU seconds of the whole way."""
    wall, cpu = time.perf_counter(), cpu_s()
    waves = prepare_all(clips, workers=workers, cache=cache)
    found = extract(features, waves, workers=workers, cache=cache)
    return waves, found, time.perf_counter() - wall, cpu_s() - cpu


def beside_bare_loop(clips: list[Path], features: FeatureSet) -> tuple[float, float, float, bool]:
    """CPU seconds for decoding, for our extractor, for ``Smile.process_signal``; equal values?

    The three take turns, clip by clip in one process, so that other work on the machine disturbs
    them alike. The bare loop is given decoded samples.
    """
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[features.identity()["configuration"]],
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    extractor = features.open()
    took = np.zeros(3)
    same = True
    for clip in clips:
        start = time.process_time()
        decoded = decode_file(clip)
        wave = prepare(decoded.samples, decoded.rate_hz)
        ready = time.process_time()
        ours = extractor(wave)
        done = time.process_time()
        theirs = smile.process_signal(wave / np.float32(32768), 16_000).to_numpy()
        took += ready - start, done - ready, time.process_time() - done
        same &= np.array_equal(ours, theirs[0])
    return *took, same


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--features", choices=list(FEATURES), default="egemaps")
    parser.add_argument("--loop", type=int, default=100, help="clips of the bare loop")
    asked = parser.parse_args()
    features = FEATURES[asked.features]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clips = find_clips(asked.clips, root)
        memory: list[int] = []
        with peak_memory(memory):
            waves, one, one_s, one_cpu = run(clips, features, 1, root / "one")
            _, two, two_s, two_cpu = run(clips, features, 2, root / "two")
        _, again, again_s, _ = run(clips, features, 2, root / "two")
        some = clips[:: max(1, len(clips) // asked.loop)]
        decoding, ours, theirs, same = beside_bare_loop(some, features)
    hours = waves.table["samples"].sum() / waves.rate_hz / 3600
    print(f"{len(waves):,} clips, {hours:.2f} h, {features.name}, from mp3 to features")
    print(f"one process    {one_s:8.1f} s wall {one_cpu:8.1f} s CPU")
    print(f"two processes  {two_s:8.1f} s wall {two_cpu:8.1f} s CPU")
    print(f"two against one: {one_s / two_s:.2f} times as fast (1.8 or more is asked for)")
    print(f"CPU of {len(some)} clips against Smile.process_signal in a bare loop (1.00 or less):")
    print(f"  features {ours / theirs:.2f}, with decoding {(decoding + ours) / theirs:.2f}")
    print(f"second run: {again_s:.2f} s, {again.cached:,} from the cache (under 3 s is asked for)")
    print(f"peak memory of all processes: {memory[0] / 1e6:,.0f} MB (under 1,500 is asked for)")
    print(f"same bytes: one and two {one.values.tobytes() == two.values.tobytes()}, loop {same}")


if __name__ == "__main__":
    main()

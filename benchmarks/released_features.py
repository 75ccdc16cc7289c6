"""Reading the per-clip feature CSVs that organisers shipped: ours against A-VB's own loader.

    python benchmarks/released_features.py                    # 500 and 1,000 clips: 0.4 GB of disk
    python benchmarks/released_features.py --clips 59201      # all of A-VB: 20 GB of disk

Both sides read the same files of the ComParE layout (semicolons, header, one row of 6,373) in this
one process and end with the same float32 matrix. The other side re-enacts the published loader: for
each file a regex search through the ids of all labels, the row kept as one string, all of them
written to a CSV, read again and split into strings. That search grows with the number of labels,
so its whole cost is quadratic; it is also timed alone on a table of 59,201 ids. Our second run
finds the parsed rows by content: it reads and hashes the same files.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affectbench.features.given import given

FULL = 59_201  # clips of A-VB and ExVo
EMOTIONS = [f"emotion_{i}" for i in range(10)]
LOOKUPS = 30  # timed on a table of that many ids


def write_files(folder: Path, ids: Sequence[str], dim: int) -> None:
    """One CSV a clip, as openSMILE writes functionals; the rows differ in their numbers."""
    random = np.random.default_rng(0)
    names = [f"audspec_lengthL1norm_sma_de_{i:04d}" for i in range(dim)]  # as long as the real ones
    header = ";".join(["name", "frameTime", *names]) + "\n"
    tails = [";".join(f"{x:e}" for x in random.standard_normal(dim - 1)) for _ in range(16)]
    folder.mkdir()
    for at, clip in enumerate(ids):
        row = f"'unknown';0.000000;{random.standard_normal():e};{tails[at % len(tails)]}\n"
        (folder / f"{clip}.csv").write_text(header + row)


def labels_of(ids: Sequence[str]) -> pd.DataFrame:
    """A label table as released: bracketed ids."""
    emotions = dict.fromkeys(EMOTIONS, 0.5)
    return pd.DataFrame({"File_ID": [f"[{clip}]" for clip in ids], "Split": "Train", **emotions})


def look_up(labels: pd.DataFrame, clip: str) -> pd.Series:
    """The label of one file, searched for in all ids."""
    found = labels["File_ID"].str.contains(clip)
    return labels.loc[labels["Split"][found].index.to_numpy()[0], EMOTIONS]


def official(folder: Path, ids: Sequence[str], scratch: Path) -> tuple[float, np.ndarray]:
    """Seconds of the published way through strings, and its matrix."""
    labels = labels_of(ids)
    csv.field_size_limit(1 << 30)  # a whole header is one field to it
    began = time.perf_counter()
    rows, truth = [], []
    for clip in ids:
        truth.append(look_up(labels, clip))
        with (folder / f"{clip}.csv").open() as file:
            for cells in csv.reader(file):
                last = cells[0].replace(";", ",")
        rows.append(last[2:])
    pd.DataFrame(rows).to_csv(scratch / "X.csv", index=False)
    pd.DataFrame(truth).to_csv(scratch / "y.csv", index=False)
    stored = pd.read_csv(scratch / "X.csv")["0"]
    values = stored.str.split(",", expand=True).iloc[:, 2:].to_numpy().astype(np.float32)
    return time.perf_counter() - began, values


def ours(folder: Path, ids: Sequence[str], cache: Path) -> tuple[float, np.ndarray]:
    """Seconds from the folder to the rows of the clips, and those."""
    import polars as pl

    began = time.perf_counter()
    values = given(folder, cache=cache).of_clips(pl.DataFrame({"clip": list(ids)}))
    return time.perf_counter() - began, values


def main() -> None:
    """Time both sides at half and at the full number of clips."""
    parser = argparse.ArgumentParser(description="Ours against the published loader of A-VB.")
    parser.add_argument("--clips", type=int, default=1_000, help="N of the larger size")
    parser.add_argument("--dim", type=int, default=6_373, help="D (default: ComParE)")
    parser.add_argument("--skip-official", action="store_true", help="time ours alone")
    options = parser.parse_args()
    times: dict[int, tuple[float, float, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for clips in (options.clips // 2, options.clips):
            ids = [f"{i:05d}" for i in range(clips)]
            folder = root / str(clips)
            write_files(folder, ids, options.dim)
            slow, expected = np.nan, None
            if not options.skip_official:
                slow, expected = official(folder, ids, root)
            first, values = ours(folder, ids, root / "cache")
            again, found = ours(folder, ids, root / "cache")
            same = expected is None or np.array_equal(values, expected)
            if not same or not np.array_equal(values, found):
                raise SystemExit("the two sides read different numbers")
            times[clips] = slow, first, again
            print(f"{clips:7,} x {options.dim:,}: ours {first:6.2f} s, second run {again:6.2f} s")
            if expected is not None:
                ratios = f"ratio {slow / first:5.1f} and {slow / again:5.1f}"
                print(f"{'':7s}   published loader {slow:8.2f} s; {ratios}")
    sides = (("published", 0), ("ours", 1), ("second run", 2))
    for name, at in sides[int(options.skip_official) :]:
        growth = times[options.clips][at] / times[options.clips // 2][at]
        print(f"{name:11s} twice the clips take {growth:4.2f} times as long")
    if not options.skip_official:
        scale_up(options.clips, *times[options.clips][:2])


def scale_up(clips: int, slow: float, fast: float) -> None:
    """What all clips take: the search at its full cost, everything else by their number."""
    here, there = search_s(clips), search_s(FULL)
    print(f"one search: {1e3 * here:.2f} ms among {clips:,} ids, {1e3 * there:.2f} among {FULL:,}")
    full, own = FULL * (slow / clips - here + there), FULL * fast / clips
    print(
        f"scaled to {FULL:,} clips: published {full / 60:.1f} min, {there * FULL / 60:.1f} of them "
        f"searching; ours {own / 60:.1f} min; ratio {full / own:.1f} (target: 10 or more)"
    )


def search_s(clips: int) -> float:
    """Seconds of one search among the ids of that many clips."""
    table = labels_of([f"{i:05d}" for i in range(clips)])
    began = time.perf_counter()
    for i in range(LOOKUPS):
        look_up(table, f"{i:05d}")
    return (time.perf_counter() - began) / LOOKUPS


if __name__ == "__main__":
    main()

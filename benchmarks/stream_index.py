"""The index of MODULATE-STREAM at its full size: to make, to open, to ask, to draw from.

    python benchmarks/stream_index.py                  # 1,880,261 rows, 0.4 GB of text
    python benchmarks/stream_index.py --rows 100000

A table of random rows, with quotes in its transcripts, is written to a temporary folder without
audio files, so every row has a fault too (no file). Each line is a process of its own, so that its
peak of memory is its own. Beside making the index stands the bare way of polars from the same table
to Parquet, which checks and matches nothing. ``--files N`` adds what matching costs: so many empty
files, found by the walk.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from affectbench.corpora.twin.stream import (
    CLIPS,
    GAMES,
    HEADER,
    MEAN_S,
    SYLLABLES,
    draw_stream,
    name,
)
from affectbench.stream import Policy, StreamIndex, build, query, select

FASTEST_OF = 3
LETTERS_A_SECOND = 13  # of talk


def write_table(root: Path, rows: int, files: int) -> None:
    """A table of so many rows, and the first so many files, empty."""
    stream = draw_stream(rows, GAMES, MEAN_S, seed=0)
    rng = np.random.default_rng(1)
    pairs = [a + b for a in SYLLABLES for b in SYLLABLES]
    talk = " ".join(rng.choice(pairs, 200_000))
    starts = rng.integers(0, len(talk) // 2, rows)
    with (root / "stream.tsv").open("w") as file:
        file.write(HEADER)
        for i in range(rows):
            ms = int(stream.duration_ms[i])
            text = talk[starts[i] : starts[i] + ms * LETTERS_A_SECOND // 1000]
            quote = '"' if i % 5 == 0 else ""
            game = f"Game {stream.game[i]:03d}" if stream.game[i] >= 0 else ""
            cells = (name(i), ms, quote + text, stream.child[i], stream.female[i], game)
            file.write("\t".join(map(str, cells)) + "\n")
    for i in range(min(files, rows)):
        path = root / name(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def bare(root: Path) -> None:
    """The table as Parquet, by polars alone."""
    table = pl.scan_csv(root / "stream.tsv", separator="\t", quote_char=None)
    table.sink_parquet(root / "bare.parquet")


def index(root: Path) -> None:
    """The index, made."""
    build(root, root / "index")


def again(root: Path) -> None:
    """The match alone: the table was read before."""
    build(root, root / "index")


def reopen(root: Path) -> None:
    """The index, opened, and its columns known."""
    StreamIndex(root / "index").clips().collect_schema()


def grouped(root: Path) -> None:
    """A filter with a group-by over all rows."""
    sql = (
        "SELECT game, count(*) AS n, sum(duration_s) / 3600 AS hours, avg(female_probability) AS f "
        "FROM clips WHERE duration_s > 5 GROUP BY game"
    )
    query(StreamIndex(root / "index"), sql, policy=Policy(include_children=True))


def hundred_hours(root: Path) -> None:
    """A stratified sample."""
    select(StreamIndex(root / "index"), hours=100)


def timed(work: Callable[[Path], None], root: Path, times: int) -> tuple[float, float, float]:
    """Wall and CPU seconds of the fastest of some runs, and the peak of memory in GB."""
    spent = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work(root)
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return *min(spent), peak_gb


def main() -> None:
    """Write a table and run every stage in a process of its own."""
    parser = argparse.ArgumentParser(description="The index of MODULATE-STREAM at its full size.")
    parser.add_argument("--rows", type=int, default=CLIPS, help="of the table")
    parser.add_argument("--files", type=int, default=0, help="empty audio files to match")
    options = parser.parse_args()
    stages = (
        (bare, 1, "polars, TSV to Parquet, unchecked", ""),
        (index, 1, "index, made", "15 s, 1 GB"),
        (again, 1, "index, matched anew", ""),
        (reopen, FASTEST_OF, "index, opened", "0.2 s"),
        (grouped, FASTEST_OF, "filter with group-by", "0.5 s, 0.5 GB"),
        (hundred_hours, FASTEST_OF, "stratified sample of 100 h", "2 s"),
    )
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_table(root, options.rows, options.files)
        size_mb = (root / "stream.tsv").stat().st_size / 1e6
        print(f"{options.rows:,} rows, {size_mb:,.0f} MB, polars {pl.__version__}")
        print(f"{'':36}  wall s   CPU s  peak GB  limit on two quiet cores")
        for work, times, title, limit in stages:
            with spawn.Pool(1) as process:
                wall, cpu, peak = process.apply(timed, (work, root, times))
            print(f"{title:36} {wall:7.2f} {cpu:7.2f} {peak:8.2f}  {limit}")


if __name__ == "__main__":
    main()

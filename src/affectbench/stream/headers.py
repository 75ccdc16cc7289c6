"""The head and end of every Opus file, read in processes; a killed run goes on.

Results of ``CHUNK`` files at a time lie in a folder until all are there. A chunk that is there is
not read again, so files that change between two runs of one check are seen by the next check.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from affectbench import store
from affectbench.audio import pool
from affectbench.stream.index import COLUMNS, HEADERS
from affectbench.stream.opus import probe_file
from affectbench.types import Progress

CHUNK: Final = 5_000
SCHEMA: Final = {name: COLUMNS[name] for name in ("clip", *HEADERS)}
STAGE: Final = "headers"


def read_headers(
    root: Path,
    clips: pl.Series,
    folder: Path,
    *,
    workers: int,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """``clip`` and the columns ``HEADERS`` of every clip below root, in their order.

    ``folder`` holds what is done; the caller removes it.

    Raises:
        AffectBenchError: the folder cannot be written, or a worker died; finished chunks are kept.
    """
    tell = progress or (lambda stage, done, total: None)
    jobs, done = [], 0
    for number, start in enumerate(range(0, len(clips), CHUNK)):
        chunk = clips.slice(start, CHUNK)
        path = folder / f"{number:06d}.parquet"
        if _is_of(path, chunk):
            done += len(chunk)
        else:
            jobs.append((path, chunk.to_list()))
    tell(STAGE, done, len(clips))

    def count(read: int) -> None:
        nonlocal done
        done += read
        tell(STAGE, done, len(clips))

    pool.for_each(partial(_read_chunk, root), jobs, workers=workers, done=count)
    parts = [pl.DataFrame(schema=SCHEMA)]
    numbers = range(-(-len(clips) // CHUNK))
    parts += [pl.read_parquet(folder / f"{number:06d}.parquet") for number in numbers]
    return pl.concat(parts)


def _is_of(path: Path, chunk: pl.Series) -> bool:
    """Whether the results of these clips lie there."""
    try:
        return pl.read_parquet(path, columns=["clip"])["clip"].equals(chunk)
    except (OSError, pl.exceptions.PolarsError):
        return False


def _read_chunk(root: Path, job: tuple[Path, list[str]]) -> int:
    """Read the files of a chunk and write what they say; runs in a worker."""
    path, clips = job
    rows = []
    for clip in clips:
        head, size = probe_file(root / clip)
        rows.append((clip, size, head.channels, head.rate_hz, head.duration_s, head.fault))
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    store.write_atomic(path, table.write_parquet)
    return len(clips)

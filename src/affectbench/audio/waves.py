"""The store of prepared waves: each file is decoded once, and found again by its content.

    <cache>/waves/<digest of settings and library versions>/<shard>.{i16,npz}

File names and dates are never trusted: the key of a row is the digest of the file's bytes, shards
are checked against their digest before use, and every wave is again when it is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench import store
from affectbench.audio import pool
from affectbench.audio.decode import decode, read_bytes
from affectbench.audio.prepare import RATE_HZ, identity, prepare
from affectbench.audio.shards import (
    THREADS,
    read_index,
    read_wave,
    remove_shards,
    wave_digest,
    write_shard,
)
from affectbench.errors import BadData, MissingData, MissingExtra
from affectbench.types import Progress

SHARD_CLIPS: Final = 256
SHARDS_PER_WORKER: Final = 8  # at least, so that no worker waits long for the last one
SHARD_BYTES: Final = 64 << 20  # of source files: bounds a worker's memory where clips are long


@dataclass(frozen=True, slots=True)
class Waves:
    """Prepared waves of some files, and the files that gave none.

    ``table`` has one row per readable path, in the order of the paths: ``path``, then the columns
    of ``shards.INDEX``. A path given twice has one row; rows of equal ``digest`` are the same
    samples.
    """

    table: pl.DataFrame
    bad: Mapping[str, str]  # path -> why it cannot be used
    folder: Path
    prepared: int  # files decoded now
    cached: int  # files found in the store
    damaged: tuple[str, ...]  # shards that were not as written, and were made anew
    rate_hz: int = RATE_HZ

    def __len__(self) -> int:
        """N, the readable paths."""
        return self.table.height

    def read(self, row: int) -> NDArray[np.int16]:
        """[T]: the wave of that row.

        Raises:
            BadData: the store changed on disk since it was checked.
        """
        at = self.table.row(row, named=True)
        return read_wave(self.folder, at["shard"], at["offset"], at["samples"], at["digest"])


class Heard(Sequence[NDArray[np.int16]]):
    """Waves of some rows of a store, in that order; each is read when it is asked for."""

    def __init__(self, waves: Waves, rows: Sequence[int]) -> None:
        self.waves = waves
        self.rows = tuple(rows)

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """[T] of one index, or a ``Heard`` of a slice."""
        if isinstance(index, slice):
            return Heard(self.waves, self.rows[index])
        return self.waves.read(self.rows[index])

    def take(self, indices: Sequence[int]) -> Heard:
        """The waves at these indices."""
        return Heard(self.waves, [self.rows[index] for index in indices])

    @property
    def samples(self) -> NDArray[np.int64]:
        """[N]: their lengths, without reading them."""
        return self.waves.table["samples"].to_numpy()[list(self.rows)].astype(np.int64)


def prepare_all(
    paths: Sequence[Path],
    *,
    workers: int,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Waves:
    """Decode and prepare what is not in the store yet; every unreadable file is found here.

    The stages told to ``progress`` are "hash" (paths) and "prepare" (files of different content).

    Raises:
        AffectBenchError: the cache cannot be written, or a worker died; finished shards are kept.
    """
    tell = progress or (lambda stage, done, total: None)
    folder = (cache or store.cache_root()) / "waves" / store.digest_json(identity())[:16]
    contents, sizes, bad = _hash_files(paths, tell)
    source: dict[str, str] = {}  # digest of a file -> the first path that holds it
    for path, content in contents.items():
        source.setdefault(content, path)
    index, damaged = read_index(folder, source)
    remove_shards(folder, damaged)
    known = set(index["content"])
    todo = {content: path for content, path in source.items() if content not in known}
    tell("prepare", len(known), len(source))
    jobs = list(_jobs(folder, todo, sizes, workers))
    reasons = _run_jobs(
        folder, jobs, workers, lambda n: tell("prepare", len(known) + n, len(source))
    )
    if jobs:
        index, _ = read_index(folder, source)
    bad |= {path: reasons[c] for path, c in contents.items() if c in reasons}
    table = pl.DataFrame(
        list(contents.items()), schema={"path": pl.String, "content": pl.String}, orient="row"
    )
    table = table.join(index, on="content", how="inner", maintain_order="left")
    order = {str(path): None for path in paths}
    if len(table) + len(bad) != len(order):
        raise RuntimeError(f"{len(order)} files gave {len(table)} waves and {len(bad)} reasons")
    return Waves(
        table=table,
        bad={path: bad[path] for path in order if path in bad},
        folder=folder,
        prepared=len(source) - len(known) - len(reasons),
        cached=len(known),
        damaged=tuple(damaged),
    )


def _hash_files(
    paths: Sequence[Path], tell: Progress
) -> tuple[dict[str, str], dict[str, int], dict[str, str]]:
    """Digest by path, size by digest, and why by unreadable path; the order of ``paths``."""
    names = list(dict.fromkeys(str(path) for path in paths))
    contents: dict[str, str] = {}
    sizes: dict[str, int] = {}
    bad: dict[str, str] = {}
    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, len(names), SHARD_CLIPS):
            some = names[start : start + SHARD_CLIPS]
            for name, (content, size, why) in zip(some, threads.map(_hash_file, some), strict=True):
                if why:
                    bad[name] = why
                else:
                    contents[name] = content
                    sizes[content] = size
            tell("hash", start + len(some), len(names))
    return contents, sizes, bad


def _hash_file(name: str) -> tuple[str, int, str]:
    """Digest and size of a file, or why it cannot be read."""
    try:
        data = read_bytes(Path(name))
    except MissingData as error:
        return "", 0, str(error)
    return store.digest(data), len(data), ""


@dataclass(frozen=True, slots=True)
class _Job:
    """Files that one worker makes a shard of."""

    folder: Path
    files: tuple[tuple[str, str], ...]  # (digest, path)

    @property
    def shard(self) -> str:
        """Name of the shard: the same files give the same name."""
        return store.digest(*(content for content, _ in self.files))


@dataclass(frozen=True, slots=True)
class _ShardDone:
    """What a worker tells of its job."""

    files: int
    bad: dict[str, str]  # digest of the file -> why


def _jobs(
    folder: Path, source: Mapping[str, str], sizes: Mapping[str, int], workers: int
) -> Iterator[_Job]:
    """Groups of up to 256 files and 64 MB, in the order of the paths."""
    most = min(SHARD_CLIPS, len(source) // (SHARDS_PER_WORKER * max(1, workers)) + 1)
    group: list[tuple[str, str]] = []
    size = 0
    for content, path in source.items():
        if group and (len(group) == most or size + sizes[content] > SHARD_BYTES):
            yield _Job(folder, tuple(group))
            group, size = [], 0
        group.append((content, path))
        size += sizes[content]
    if group:
        yield _Job(folder, tuple(group))


def _run_jobs(
    folder: Path, jobs: Sequence[_Job], workers: int, finished: Callable[[int], object]
) -> dict[str, str]:
    """Make the shards in parallel; why, by digest of each file that could not be used."""
    reasons: dict[str, str] = {}
    files = 0

    def note(result: _ShardDone) -> None:
        nonlocal files
        reasons.update(result.bad)
        files += result.files
        finished(files)

    pool.clear_partials(folder)
    try:
        pool.for_each(_prepare_shard, jobs, workers=workers, done=note)
    except BaseException:
        # What killed workers had begun to write.
        pool.clear_partials(folder, {f"{j.shard}{end}" for j in jobs for end in (".i16", ".npz")})
        raise
    return reasons


def _prepare_shard(job: _Job) -> _ShardDone:
    """Decode, prepare and write one shard; runs in a worker."""
    rows: list[tuple[Any, ...]] = []
    waves: list[NDArray[np.int16]] = []
    bad: dict[str, str] = {}
    offset = 0
    for content, path in job.files:
        try:
            row, wave = _prepare_file(content, Path(path))
        except (BadData, MissingData, MissingExtra) as error:
            bad[content] = str(error)
            continue
        rows.append((content, wave_digest(wave), offset, *row))
        waves.append(wave)
        offset += len(wave)
    if rows:
        write_shard(job.folder, job.shard, rows, waves)
    return _ShardDone(len(job.files), bad)


def _prepare_file(content: str, path: Path) -> tuple[tuple[Any, ...], NDArray[np.int16]]:
    """The columns from ``samples`` on, and the wave, of a file that must hold that content."""
    data = read_bytes(path)
    if store.digest(data) != content:
        raise BadData("changed while it was being read; run again")
    with quiet():
        decoded = decode(data)
    wave = prepare(decoded.samples, decoded.rate_hz)
    row = (
        len(wave),
        decoded.rate_hz,
        decoded.channels,
        len(decoded.samples) / decoded.rate_hz,
        not wave.any(),
        decoded.clipped,
        decoded.decoder,
    )
    return row, wave


@contextmanager
def quiet() -> Iterator[None]:
    """Send file descriptor 2 nowhere: mpg123 writes there what we report in better words.

    Only for the single-threaded workers: the descriptor belongs to the whole process.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

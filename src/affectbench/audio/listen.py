"""Every file opened and decoded once, in processes, with nothing written: what ``check`` knows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, overload

import polars as pl

from affectbench.audio import pool
from affectbench.audio.decode import UNKNOWN_BYTES, decode, read_bytes, wav_bytes
from affectbench.audio.waves import quiet
from affectbench.errors import BadData, MissingData, MissingExtra
from affectbench.types import Progress

Rows = TypeVar("Rows", pl.Series, pl.DataFrame)
BATCH: Final = 64  # files that a worker takes at once
BATCHES_PER_WORKER: Final = 8  # at least, so that no worker waits long for the last one
HEARD: Final = {
    "path": pl.String,
    "why": pl.String,  # null, or why the file cannot be used; then all that follows is null
    "samples": pl.Int64,  # T, at the file's own rate
    "rate_hz": pl.Int64,
    "channels": pl.Int64,
    "duration_s": pl.Float64,
    "peak": pl.Float64,  # largest magnitude of the mono samples; full scale is 1
    "clipped": pl.Int64,  # source samples at full scale, over all channels
    "silent": pl.Boolean,  # every sample is zero
    "digest": pl.String,  # of the rate and the decoded mono samples: equal digests, equal sound
    "header": pl.String,  # null, or how the declared length differs from what was decoded
}


class Batches(Sequence[Rows]):
    """Rows of a table in groups for the workers, cut when asked for: never a list of all."""

    def __init__(self, rows: Rows, workers: int) -> None:
        self.rows: Rows = rows
        self.size = min(BATCH, len(rows) // (BATCHES_PER_WORKER * max(1, workers)) + 1)

    def __len__(self) -> int:
        """How many groups there are."""
        return (len(self.rows) + self.size - 1) // self.size

    @overload
    def __getitem__(self, at: int) -> Rows: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Rows]: ...
    def __getitem__(self, at: int | slice) -> Rows | Sequence[Rows]:
        """The group ``at``, or those of a slice."""
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(at)
        rows: Rows = self.rows.slice(at * self.size, self.size)
        return rows


def listen_all(
    paths: pl.Series, *, workers: int, progress: Progress | None = None, stage: str = "listen"
) -> pl.DataFrame:
    """One row a path, in the order of ``paths``, with the columns of ``HEARD``.

    Args:
        paths: [N] of strings; one that is given twice has one row.
        workers: Processes.
        progress: Told ``stage``, files done, files in all.
        stage: The word for it.

    Raises:
        AffectBenchError: a worker died.
    """
    paths = paths.unique(maintain_order=True)
    heard = [pl.DataFrame(schema=HEARD)]
    finished = 0

    def note(rows: list[tuple[Any, ...]]) -> None:
        nonlocal finished
        heard.append(pl.DataFrame(rows, schema=HEARD, orient="row"))
        finished += len(rows)
        if progress is not None:
            progress(stage, finished, len(paths))

    pool.for_each(_listen, Batches(paths, workers), workers=workers, done=note)
    table = pl.DataFrame({"path": paths}, schema={"path": pl.String})
    return table.join(pl.concat(heard), on="path", how="left", maintain_order="left")


def _listen(paths: pl.Series) -> list[tuple[Any, ...]]:
    """Rows of ``HEARD``; runs in a worker."""
    return [_hear(path) for path in paths]


def _hear(path: str) -> tuple[Any, ...]:
    """One row of ``HEARD``."""
    try:
        data = read_bytes(Path(path))
        with quiet():
            decoded = decode(data)
    except (BadData, MissingData, MissingExtra) as error:
        return (path, str(error), *[None] * (len(HEARD) - 2))
    samples = decoded.samples
    peak = float(max(samples.max(), -samples.min()))
    state = hashlib.sha256(str(decoded.rate_hz).encode())
    state.update(samples.data)
    return (
        path,
        None,
        len(samples),
        decoded.rate_hz,
        decoded.channels,
        len(samples) / decoded.rate_hz,
        peak,
        decoded.clipped,
        peak == 0,
        state.hexdigest()[:32],
        odd_header(data),
    )


def odd_header(data: bytes) -> str | None:
    """How a wav that decodes declares another length than it holds; None where it does not.

    A wav that holds less than it declares does not decode at all. Other formats declare what the
    decoder compares itself.
    """
    if data[:4] != b"RIFF":
        return None
    declared, present = wav_bytes(data)
    if declared >= UNKNOWN_BYTES:
        return f"declares no length, {present:,} bytes of samples decoded"
    start = len(data) - present + declared + declared % 2
    following = data[start : start + 4]
    if len(data) - start < 8 or (following.isascii() and following.decode().isprintable()):
        return None  # nothing, or another chunk
    return f"declares {declared:,} bytes of samples, {present:,} are there"

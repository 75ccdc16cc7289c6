"""How prepared waves lie on disk: samples of many clips in one file, one row a clip in another.

    <shard>.i16   int16 little-endian samples, end to end
    <shard>.npz   the columns ``ROW``, and the digest of the .i16

A shard is written samples first, rows second, each whole or not at all; samples without rows are
not seen. The .npz carries its own checksum (zip), the .i16 its digest in the .npz.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench import store
from affectbench.audio.prepare import RATE_HZ
from affectbench.errors import BadData

THREADS: Final = 8  # digests are taken in threads: hashlib and reading release the GIL
ROW: Final = {
    "content": pl.String,  # digest of the file's bytes
    "digest": pl.String,  # digest of the prepared samples and their rate
    "offset": pl.Int64,  # first sample in the shard
    "samples": pl.Int64,  # T
    "source_rate_hz": pl.Int64,
    "channels": pl.Int64,
    "source_s": pl.Float64,
    "silent": pl.Boolean,  # all zeros
    "clipped": pl.Int64,  # source samples at or beyond full scale
    "decoder": pl.String,
}
INDEX: Final = {**ROW, "shard": pl.String}
DAMAGED: Final = (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError)


def wave_digest(wave: NDArray[np.int16]) -> str:
    """The key of a prepared wave: its samples and their rate."""
    return store.digest(wave.astype("<i2", copy=False).tobytes(), str(RATE_HZ))


def write_shard(
    folder: Path, shard: str, rows: Sequence[tuple[Any, ...]], waves: Sequence[NDArray[np.int16]]
) -> None:
    """Write the waves and their rows (in the order of ``ROW``)."""
    samples = np.concatenate(waves).astype("<i2").tobytes()
    columns: dict[str, Any] = {
        name: np.array(v) for name, v in zip(ROW, zip(*rows, strict=True), strict=True)
    }
    columns["check"] = np.array(store.digest(samples))
    store.write_atomic(folder / f"{shard}.i16", lambda file: file.write(samples))
    store.write_atomic(folder / f"{shard}.npz", lambda file: np.savez(file, **columns))


def read_wave(
    folder: Path, shard: str, offset: int, samples: int, digest: str
) -> NDArray[np.int16]:
    """[T]: one wave of a shard, checked against its digest.

    Raises:
        BadData: the shard is gone or was changed.
    """
    path = folder / f"{shard}.i16"
    try:
        wave = np.fromfile(path, "<i2", samples, offset=2 * offset)
    except OSError as error:
        raise BadData(f"The wave store lost {path} ({error.strerror}). Run again.") from error
    if wave_digest(wave) != digest:
        raise BadData(f"The wave store {path} was changed after it was checked. Run again.")
    return wave


def read_index(folder: Path, wanted: Collection[str]) -> tuple[pl.DataFrame, list[str]]:
    """The rows (``INDEX``) of the wanted file digests, one each, and the damaged shards.

    A shard is damaged when its rows cannot be read, or when it holds a wanted row and its samples
    are not those that were written.
    """
    damaged: list[str] = []
    frames = [pl.DataFrame(schema=INDEX)]
    checks: dict[str, str] = {}
    for path in sorted(folder.glob("*.npz")):
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                columns = {name: file[name] for name in ROW}
                checks[path.stem] = str(file["check"])
        except DAMAGED:
            damaged.append(path.stem)
            continue
        frames.append(pl.DataFrame(columns, schema=ROW).with_columns(shard=pl.lit(path.stem)))
    index = pl.concat(frames).filter(pl.col("content").is_in(list(wanted)))
    index = index.unique("content", keep="first", maintain_order=True)
    shards = sorted(set(index["shard"]))
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(_digest_samples, [folder / f"{shard}.i16" for shard in shards])
    damaged += [s for s, value in zip(shards, found, strict=True) if value != checks[s]]
    return index.filter(~pl.col("shard").is_in(damaged)), sorted(damaged)


def remove_shards(folder: Path, shards: Collection[str]) -> None:
    """Remove damaged shards.

    Raises:
        AffectBenchError: the folder is not writable.
    """
    for path in (folder / f"{shard}{end}" for shard in shards for end in (".npz", ".i16")):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise store.disk_error(error, path) from error


def _digest_samples(path: Path) -> str:
    """Digest of a samples file; empty when it is gone."""
    try:
        return store.digest(path.read_bytes())
    except OSError:
        return ""

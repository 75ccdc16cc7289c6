"""Clips packed into tar shards, with an offset index beside each; a killed run goes on.

    plan.json             what is to be packed, as a digest; written first
    stream-000000.tar     ``stream.layout``
    stream-000000.parquet ``OFFSETS``: where each clip of the shard lies; written after it
    left-out.parquet      clips that could not be packed, and why, if there are any
    pack.json             what was packed, under which policy, with digests; written last

The same clips and settings give the same bytes, whatever the number of workers and of kills.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import polars as pl

from affectbench import store
from affectbench.audio import pool
from affectbench.errors import BadData, ResultConflict
from affectbench.stream import layout
from affectbench.stream.filling import Job, fill, fill_elsewhere, refusal
from affectbench.stream.index import COLUMNS, StreamIndex
from affectbench.stream.layout import EMPTY
from affectbench.stream.opus import GONE, UNUSABLE
from affectbench.stream.policy import RISK
from affectbench.stream.selecting import Selection
from affectbench.stream.threads import GoOn, for_each
from affectbench.types import Progress

FORMAT: Final = 1  # raised when older shards can no longer be read
ABOUT: Final = "pack.json"
PLAN: Final = "plan.json"
LEFT_OUT: Final = "left-out.parquet"
THREADS: Final = 8  # that ask for the sizes of files
TOLD: Final = ("clip", "duration_s", "child_probability", RISK, "female_probability", "game")
NOTED: Final = ("affectbench", "format", "policy", "form")  # in the note at a shard's start
PLACE: Final = {
    "clip": pl.String,
    "key": pl.String,
    "offset": pl.Int64,  # of the Opus bytes in the shard; null where the clip was left out
    "size": pl.Int64,  # of the Opus bytes
    "digest": pl.String,  # of the Opus bytes, ``layout.digest``
    "record": pl.Int64,  # offset of the first header of the clip
    "told_offset": pl.Int64,  # of the JSON bytes
    "told_size": pl.Int64,
    "told_digest": pl.String,  # of all of the record that is not Opus: headers, JSON, zeros
    "fault": pl.String,  # why the clip was left out
}
KEPT: Final = ("duration_s", "game", "folder", "child_probability", "female_probability", RISK)
OFFSETS: Final = PLACE | {name: COLUMNS[name] for name in KEPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the shards look like."""

    shard_mb: float = 1000  # millions of bytes after which a new shard is begun
    shuffle: bool = False  # in the order of ``draw``: each shard a random sample; else as the table
    transcripts: bool = False  # in the JSON members


@dataclass(frozen=True, slots=True)
class Packed:
    """What lies in the folder now."""

    folder: Path
    about: dict[str, Any]  # pack.json
    written: int  # shards written by this call; the others were there

    @property
    def left_out(self) -> dict[str, int]:
        """Clips that could not be packed, by reason."""
        found: dict[str, int] = self.about["left_out"]
        return found


@dataclass(frozen=True, slots=True)
class _Shard:
    """A shard to write."""

    data: Path  # the corpus folder
    path: Path
    rows: pl.DataFrame  # its clips: columns of the index, ``bytes``, perhaps ``transcript``
    note: bytes
    policy: str  # JSON
    keep_going: bool
    apart: bool  # in a process of its own


def pack(
    index: StreamIndex,
    selection: Selection,
    out: Path,
    *,
    form: Form | None = None,
    keep_going: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Packed:
    """Pack the clips of a selection into shards in the folder ``out``.

    The Opus bytes are those of the files; every file is looked at (``stream.opus``) on its way. A
    shard that is there is not written again.

    Args:
        index: The index that the selection is of.
        selection: What to pack; its policy is written into every shard.
        out: Folder of the shards.
        form: What the shards look like; ``Form()`` when None.
        keep_going: Leave out the files that are not there or hold no Opus, count and list them.
        workers: Processes, one a shard; of one worker, this process.
        progress: Told the stage "pack", in clips.

    Raises:
        BadData: files are not there, hold no Opus, or changed meanwhile; finished shards are kept.
        ResultConflict: ``out`` holds shards of other clips or settings.
        AffectBenchError: the disk is full or not writable, or a process was killed; the same call
            goes on.
    """
    tell = progress or (lambda stage, done, total: None)
    out, form = Path(out), form or Form()
    rows = sized(index.data, selection.clips)
    lost = rows.filter(pl.col("fault").is_in(UNUSABLE))
    if len(lost) and not keep_going:
        raise BadData(refusal(lost.select("clip", "fault").iter_rows()))
    rows = rows.filter(~pl.col("fault").is_in(UNUSABLE).fill_null(False))
    if form.transcripts:
        rows = index.with_transcripts(rows.lazy()).collect()
    rows = in_shards(rows.sort("draw") if form.shuffle else rows, form.shard_mb)
    about = {
        "affectbench": "clips of MODULATE-STREAM",
        "format": FORMAT,
        "policy": selection.policy.json(),
        "form": asdict(form),
    }
    _begin(out, rows, about)
    first, policy = layout.note(about), json.dumps(about["policy"])
    shards = [
        _Shard(index.data, shard_path(out, number), part, first, policy, keep_going, workers > 1)
        for (number,), part in rows.group_by("shard", maintain_order=True)
    ]
    todo = [shard for shard in shards if not _is_whole(shard)]
    done = len(rows) - sum(len(shard.rows) for shard in todo)
    tell("pack", done, len(rows))

    def count(clips: int) -> None:
        nonlocal done
        done += clips
        tell("pack", done, len(rows))

    names = [shard.path.with_suffix(end).name for shard in todo for end in (".tar", ".parquet")]
    pool.clear_partials(out, [PLAN, LEFT_OUT, ABOUT, *names])
    for_each(_write_shard, todo, workers=workers, done=count)
    about |= {"source": selection.definition}
    return Packed(out, _end(out, about, [shard.path for shard in shards], lost, index), len(todo))


def shard_path(folder: Path, number: int) -> Path:
    """The tar file of a shard."""
    return folder / f"stream-{number:06d}.tar"


def sized(data: Path, clips: pl.DataFrame) -> pl.DataFrame:
    """The clips with ``bytes``, and a ``fault`` where there is no file.

    Sizes are those of the headers where they were read, else those on disk now. A file that has
    another one when it is packed stops the pack.
    """
    if not clips["bytes"].null_count():
        return clips
    start = f"{data}{os.sep}"

    def size(clip: str) -> int:
        try:
            return os.stat(start + clip).st_size  # noqa: PTH116 - a Path takes longer than the call
        except OSError:
            return -1

    slices = [part.to_series() for part in clips.select("clip").iter_slices(1_000)]
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(lambda names: [size(name) for name in names], slices))
    sizes = clips.with_columns(pl.Series("bytes", list(chain.from_iterable(found)), pl.Int64))
    fault = pl.when(pl.col("bytes") < 0).then(pl.lit(GONE)).when(pl.col("bytes") == 0)
    return sizes.with_columns(fault=fault.then(pl.lit(EMPTY)).otherwise("fault"))


def in_shards(rows: pl.DataFrame, shard_mb: float) -> pl.DataFrame:
    """The rows with their ``shard``: the clip that begins within the n-th ``shard_mb`` is in n.

    Headers and JSON count as three blocks and what a transcript may add.

    Raises:
        BadData: ``shard_mb`` is not above 0.
    """
    if not shard_mb > 0:
        raise BadData(f"Shards of {shard_mb} MB were asked for. Expected a size above 0.")
    blocks = (pl.col("bytes") + layout.BLOCK - 1) // layout.BLOCK + 3
    before = (blocks.cum_sum() - blocks) * layout.BLOCK
    return rows.with_columns(shard=(before / (shard_mb * 1e6)).floor().cast(pl.Int64))


def _begin(out: Path, rows: pl.DataFrame, about: dict[str, Any]) -> None:
    """Write the plan, or compare with the one that is there."""
    state = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    kept = [name for name in (*TOLD, "bytes", "shard", "transcript") if name in rows.columns]
    for part in rows.select(kept).iter_slices(100_000):
        state.update(part.write_csv(separator="\t", quote_style="always").encode())
    plan = {"digest": state.hexdigest(), "clips": len(rows)}
    path = out / PLAN
    try:
        before = json.loads(path.read_bytes())
    except FileNotFoundError:
        before = None
    except ValueError as error:
        raise BadData(
            f"{path} is not JSON. Choose another --out, or remove that folder."
        ) from error
    if before is None:
        store.write_json(path, plan)
    elif before != plan:
        raise ResultConflict(
            f"{out} holds shards of other clips or settings: {before.get('clips')} clips there, "
            f"{len(rows)} now; or files, the policy, --shard-mb, --shuffle or --transcripts "
            "changed. Choose another --out, or remove that folder."
        )


def _is_whole(shard: _Shard) -> bool:
    """Whether the shard and its offsets are there; the plan says that they are of these clips."""
    offsets = shard.path.with_suffix(".parquet")
    try:
        stated = pl.read_parquet_metadata(offsets)["bytes"]
        faults = pl.read_parquet(offsets, columns=["fault"])["fault"]
        size = shard.path.stat().st_size
    except (OSError, KeyError, pl.exceptions.PolarsError):
        return False
    return str(size) == stated and (shard.keep_going or not faults.count())


def _write_shard(shard: _Shard, go_on: GoOn) -> int:
    """Write a shard and its offsets; runs in a thread."""
    rows = shard.rows
    told = [name for name in (*TOLD, "transcript", "bytes") if name in rows.columns]
    job = Job(
        str(shard.data), shard.path, rows.select(told).to_dicts(), shard.note, shard.keep_going
    )
    places = (fill_elsewhere if shard.apart else fill)(job, go_on)
    table = pl.DataFrame(places, schema=PLACE, orient="row")
    table = pl.concat([table, rows.select(KEPT)], how="horizontal")
    metadata = {"bytes": str(shard.path.stat().st_size), "policy": shard.policy}
    store.write_atomic(
        shard.path.with_suffix(".parquet"),
        lambda file: table.write_parquet(file, metadata=metadata),
    )
    return len(table)


def _end(
    out: Path, about: dict[str, Any], shards: list[Path], lost: pl.DataFrame, index: StreamIndex
) -> dict[str, Any]:
    """Write what was packed, and what was left out."""
    told, left = [], [lost.select("clip", "fault")]
    for path in shards:
        offsets = path.with_suffix(".parquet")
        table = pl.read_parquet(offsets, columns=["clip", "fault", "duration_s"])
        left.append(table.filter(pl.col("fault").is_not_null()).select("clip", "fault"))
        packed = table.filter(pl.col("fault").is_null())
        told.append(
            {
                "shard": path.name,
                "bytes": path.stat().st_size,
                "clips": len(packed),
                "hours": packed["duration_s"].sum() / 3600,
                "offsets": hashlib.sha256(offsets.read_bytes()).hexdigest(),
            }
        )
    missing = pl.concat(left)
    if len(missing):
        store.write_atomic(out / LEFT_OUT, missing.write_parquet)
    about = {
        **about,
        "clips": sum(shard["clips"] for shard in told),
        "hours": sum(shard["hours"] for shard in told),
        "left_out": dict(sorted(missing["fault"].value_counts().iter_rows())),
        "shards": told,
    }
    store.keep_twin_mark(index.data, out)
    store.write_json(out / ABOUT, about)
    return about

"""Shards back into loose files and a table, as the corpus was released; a killed run goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from affectbench import store
from affectbench.corpora.modulate_stream import COLUMNS, OUTSIDE
from affectbench.errors import BadData, ResultConflict
from affectbench.stream.policy import RISK, Policy
from affectbench.stream.shards import Shards
from affectbench.stream.threads import GoOn, for_each
from affectbench.types import Progress

TABLE: Final = "stream.tsv"
ABOUT: Final = "unpacked.json"


def unpack(
    folder: Path,
    out: Path,
    *,
    policy: Policy | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> int:
    """Write the clips that the policy keeps to ``out``, and return how many there are.

    Each file has the bytes that were packed, at its ``clip_name``; the table has their rows, with
    the transcripts if they were packed. The child probability is the one that the policy read: the
    highest of the rows of that name. Files that are there with these bytes are kept.

    Args:
        folder: What ``stream pack`` wrote.
        out: Folder to write.
        policy: The default one when None.
        workers: Threads.
        progress: Told the stage "unpack", in clips.

    Raises:
        MissingData: the folder holds no whole pack, or a shard is not there.
        BadData: a shard is damaged, or names a file outside ``out``.
        ResultConflict: another file lies where one of these belongs.
        AffectBenchError: ``out`` cannot be written; the same call goes on.
    """
    folder, out, policy = Path(folder), Path(out), policy or Policy()
    shards = Shards(folder, policy=policy)
    outside = re.compile(OUTSIDE)
    wrong = [clip for clip in shards.index["clip"] if outside.search(clip) or "\0" in clip]
    if wrong:
        raise BadData(f"{folder} holds {len(wrong):,} clips that would lie outside {out}.")
    other = [path for path in out.glob("*.tsv") if path.name != TABLE]
    if other:
        raise ResultConflict(f"{other[0]} is there. Unpack into a folder of its own.")
    tell, done = progress or (lambda stage, done, total: None), 0

    def count(clips: int) -> None:
        nonlocal done
        done += clips
        tell("unpack", done, len(shards))

    numbers = range(len(shards.files))
    for_each(partial(_unpack_shard, folder, out, policy), numbers, workers=workers, done=count)
    table = "".join(_lines(shards)).encode()
    _write_new(out / TABLE, table)
    about = {"policy": policy.json(), "packed": shards.about["policy"], "clips": len(shards)}
    store.write_json(out / ABOUT, about)
    store.keep_twin_mark(folder, out)
    return len(shards)


def _unpack_shard(folder: Path, out: Path, policy: Policy, number: int, go_on: GoOn) -> int:
    """Write the clips of a shard; runs in a thread."""
    shards = Shards(folder, policy=policy, only=[number])
    for row, clip in enumerate(shards.index["clip"]):
        go_on()
        _write_new(out / clip, shards.read(row))
    shards.close()
    return len(shards)


def _write_new(path: Path, data: bytes) -> None:
    """Write a file under its name when it is whole; the same file there is kept.

    It is not synced: two million files would take days. What a crash leaves is compared by the
    next run.
    """
    half = path.with_name(f".{path.name}.partial")
    try:
        if path.exists():
            if path.stat().st_size == len(data) and path.read_bytes() == data:
                return
            raise ResultConflict(f"{path} is there with other bytes. Unpack into a new folder.")
        try:
            half.write_bytes(data)
        except FileNotFoundError:  # the first of its folder
            path.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(data)
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise store.disk_error(error, path) from error
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _lines(shards: Shards) -> Iterator[str]:
    """The table of the clips."""
    yield "\t".join(COLUMNS) + "\n"
    texts = shards.about["form"]["transcripts"]
    columns = ("clip", "duration_s", "child_probability", RISK, "female_probability", "game")
    for number, row in enumerate(shards.index.select(columns).iter_rows(named=True)):
        ms = "" if row["duration_s"] is None else _number(row["duration_s"] * 1000)
        text = shards.told(number)["transcript"] if texts else ""
        child = "" if row["child_probability"] is None else _number(row[RISK])
        female = "" if row["female_probability"] is None else _number(row["female_probability"])
        yield "\t".join((row["clip"], ms, text, child, female, row["game"] or "")) + "\n"


def _number(value: float) -> str:
    """A number without an exponent and without digits of rounding."""
    return f"{value:.9f}".rstrip("0").rstrip(".")

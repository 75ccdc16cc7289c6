"""Shards read again, byte by byte, against the digests that were written with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import polars as pl

from affectbench.errors import BadData, MissingData
from affectbench.stream import layout
from affectbench.stream.packing import NOTED
from affectbench.stream.shards import read_about, read_offsets
from affectbench.stream.threads import GoOn, for_each
from affectbench.types import Progress


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in a shard that is not as it was written."""

    shard: str
    clip: str | None  # None: no clip's
    what: str


def verify(
    folder: Path, *, workers: int = 1, progress: Progress | None = None
) -> tuple[Damage, ...]:
    """All that is damaged in a folder of shards; every byte of every shard is compared.

    ``progress`` is told the stage "verify", in shards.

    Raises:
        MissingData: the folder holds no pack that is whole.
        BadData: it is of another format.
    """
    folder = Path(folder)
    about = read_about(folder)
    tell = progress or (lambda stage, done, total: None)
    found: list[tuple[Damage, ...]] = []

    def done(damages: tuple[Damage, ...]) -> None:
        found.append(damages)
        tell("verify", len(found), len(about["shards"]))

    note = layout.note({name: about[name] for name in NOTED})
    for_each(partial(_verify_shard, folder, note), about["shards"], workers=workers, done=done)
    return tuple(sorted((d for damages in found for d in damages), key=lambda d: d.shard))


def _verify_shard(
    folder: Path, note: bytes, told: dict[str, Any], go_on: GoOn
) -> tuple[Damage, ...]:
    """What is damaged in a shard, in its order; runs in a thread."""
    name = told["shard"]
    try:
        offsets = read_offsets(folder / name, told["offsets"])
    except (BadData, MissingData) as error:
        return (Damage(name, None, str(error)),)
    try:
        with (folder / name).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            found = [Damage(name, *damage) for damage in _damages(file, offsets, note, go_on)]
    except OSError as error:
        return (Damage(name, None, f"cannot be read ({error.strerror})"),)
    if size != told["bytes"]:
        found.append(Damage(name, None, f"{size:,} bytes, expected {told['bytes']:,}"))
    return tuple(found)


def _damages(
    file: IO[bytes], offsets: pl.DataFrame, note: bytes, go_on: GoOn
) -> Iterator[tuple[str | None, str]]:
    """The clip and the part that is damaged, from the start of a shard to its end."""
    if file.read(len(note)) != note:
        yield None, "the note at its start is not as written"
    end = len(note)
    places = offsets.filter(pl.col("fault").is_null()).select(
        "clip", "record", "offset", "size", "digest", "told_offset", "told_size", "told_digest"
    )
    for clip, record, offset, size, digest, told_at, told_size, told_digest in places.iter_rows():
        go_on()
        head = file.read(offset - record)
        sound = file.read(size)
        end = told_at + told_size + len(layout.filling(told_size))
        rest = file.read(end - offset - size)
        if layout.digest(sound) != digest:
            yield clip, "the Opus bytes are not those that were packed"
        if layout.digest(head, rest) != told_digest:
            yield clip, "a header or the JSON is not as written"
    if file.read() != layout.ending(end):
        yield None, "its end is not as written"

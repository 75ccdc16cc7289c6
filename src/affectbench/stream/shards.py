"""Clips in shards, one by one and in any order, through the offsets beside the shards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from affectbench.errors import BadData, MissingData, listing
from affectbench.stream import layout
from affectbench.stream.packing import ABOUT, FORMAT, OFFSETS
from affectbench.stream.policy import Policy

NOTHING: Final = pl.DataFrame(
    schema={"shard": pl.Int32} | {name: kind for name, kind in OFFSETS.items() if name != "fault"}
)


class Shards:
    """The packed clips of a folder that the policy keeps, in the order of the shards.

    ``index`` has a row a clip: ``shard``, the place in ``files``, and the columns of
    ``packing.OFFSETS``. A row's number is the clip's number everywhere: the same shards under the
    same policy have the same numbers, so that a number, or a seed and a count, is a place to resume
    from. Opening reads no audio; a file is opened when its first clip is read. Objects may be sent
    to other processes: each opens its own files.
    """

    def __init__(
        self, folder: Path, *, policy: Policy | None = None, only: Sequence[int] | None = None
    ) -> None:
        """Open the shards in ``folder``.

        Args:
            folder: What ``stream pack`` wrote.
            policy: The default one when None; it holds whatever the shards were packed under.
            only: Numbers of the shards to open; all when None.

        Raises:
            MissingData: there is no whole pack, or one of the shards is not there.
            BadData: the offsets are not those that were written.
        """
        self.folder = Path(folder)
        self.about = read_about(self.folder)
        self.policy = policy or Policy()
        told = self.about["shards"]
        chosen = [told[number] for number in (range(len(told)) if only is None else only)]
        self.files = tuple(self.folder / shard["shard"] for shard in chosen)
        missing = [path.name for path in self.files if not path.is_file()]
        if missing:
            raise MissingData(
                f"{self.folder} lacks {len(missing):,} of its shards: {listing(missing)}. Copy "
                "them there, or pack again: the same command writes the same bytes."
            )
        parts = [
            read_offsets(path, shard["offsets"])
            .filter(pl.col("fault").is_null() & self.policy.keeps())
            .select(pl.lit(number, pl.Int32).alias("shard"), pl.exclude("fault"))
            for number, (path, shard) in enumerate(zip(self.files, chosen, strict=True))
        ]
        self.index = pl.concat([NOTHING, *parts])
        self._open: dict[int, int] = {}
        self._place()

    def _place(self) -> None:
        """Where each clip lies, [N]: a row of a table takes longer to reach."""
        self._places = self.index.select("shard", "offset", "size").to_numpy()
        self._digests = self.index["digest"]

    def __len__(self) -> int:
        """N."""
        return len(self.index)

    def read(self, number: int, *, check: bool = True) -> bytes:
        """The Opus file of a clip, as it was packed.

        ``check`` compares it with its digest; without it, damage is left to the decoder.

        Raises:
            BadData: the shard cannot be read there, or the bytes are not those that were packed.
        """
        number = int(number)  # polars takes no integers of numpy
        shard, offset, size = self._places[number].tolist()
        data = self._bytes(shard, offset, size)
        if len(data) != size or (check and layout.digest(data) != self._digests[number]):
            raise BadData(
                f"{self.files[shard]} is damaged at clip {self.index['clip'][number]}. "
                "'affectbench stream verify' lists all; copy the shard again."
            )
        return data

    def told(self, number: int) -> dict[str, Any]:
        """What the table says of a clip: the JSON member.

        Raises:
            BadData: the shard cannot be read there.
        """
        row = self.index.row(int(number), named=True)
        data = self._bytes(row["shard"], row["told_offset"], row["told_size"])
        try:
            found: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise BadData(f"{self.files[row['shard']]} is damaged at {row['clip']}.") from error
        return found

    def close(self) -> None:
        """Close the files; reading opens them again."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __getstate__(self) -> dict[str, Any]:
        """Without open files and without what can be made again."""
        state = self.__dict__.copy()
        state["_open"] = {}
        del state["_places"], state["_digests"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._place()

    def _bytes(self, shard: int, offset: int, size: int) -> bytes:
        """Bytes of a shard."""
        try:
            if shard not in self._open:
                self._open[shard] = os.open(self.files[shard], os.O_RDONLY)
            return os.pread(self._open[shard], size, offset)
        except OSError as error:
            raise BadData(f"{self.files[shard]} cannot be read ({error.strerror}).") from error


def read_about(folder: Path) -> dict[str, Any]:
    """``pack.json`` of a folder of shards.

    Raises:
        MissingData: the folder holds no pack that is whole.
        BadData: it is of another format.
    """
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_bytes())
    except (OSError, ValueError) as error:
        raise MissingData(
            f"{folder} holds no whole pack. Make one, or let it be finished: affectbench stream "
            "pack --out DIR; the same command goes on."
        ) from error
    if about.get("format") != FORMAT:
        raise BadData(f"{folder} was packed in another format. Expected {FORMAT}; pack again.")
    return about


def read_offsets(shard: Path, sha256: str) -> pl.DataFrame:
    """``packing.OFFSETS`` of a shard.

    Raises:
        MissingData: they are not there.
        BadData: they are not those that were written.
    """
    path = shard.with_suffix(".parquet")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingData(f"{path} cannot be read ({error.strerror}). Copy it there.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BadData(f"{path} is damaged: not what was written. Copy it again, or pack again.")
    return pl.read_parquet(data)

"""The index of a MODULATE-STREAM folder: what it holds, and how it is opened.

index.json             what it was made of, counts, the policy's column; written last
clips.parquet          one row a clip, the columns ``COLUMNS``, in the order of the table
faults.parquet         ``FAULTS``: rows left out, cells taken as blank, files that do not match
transcripts/*.parquet  ``line`` and ``transcript``: apart, so that none is read unasked
subsets/               named subsets (``stream.subsets``)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import polars as pl

from affectbench.errors import MissingData
from affectbench.stream.policy import RISK, Policy

FORMAT: Final = 1  # raised when an older index can no longer be read
NAME: Final = "stream-index"  # default folder below that of the corpus
ABOUT: Final = "index.json"
CLIPS: Final = "clips.parquet"
FAULTY: Final = "faults.parquet"
TRANSCRIPTS: Final = "transcripts"

COLUMNS: Final = {
    "clip": pl.String,  # clip_name: the path below the corpus folder
    "line": pl.UInt32,  # of the table
    "duration_s": pl.Float64,  # as declared; null where blank or wrong
    "child_probability": pl.Float64,  # null where blank or wrong
    "female_probability": pl.Float64,  # null where blank or wrong
    "game": pl.String,  # null where none is told
    "folder": pl.String,  # path above the file: clips of one stream may share it
    "characters": pl.UInt32,  # of the transcript
    RISK: pl.Float64,  # what the policy reads, see ``stream.policy``
    "draw": pl.UInt64,  # hash of ``clip``: its place in every random order
    "there": pl.Boolean,  # the file is
    # From the headers of the files; null where they were not read
    "bytes": pl.Int64,
    "channels": pl.UInt8,
    "rate_hz": pl.UInt32,  # of the source
    "actual_s": pl.Float64,  # duration by the file itself
    "fault": pl.String,  # what is wrong with the file, if anything
}
HEADERS: Final = ("bytes", "channels", "rate_hz", "actual_s", "fault")
FAULTS: Final = {
    "line": pl.UInt32,  # of the table; null for a file without a row
    "clip": pl.String,  # null where the row names none that can be used
    "kind": pl.String,
    "what": pl.String,  # never a piece of a transcript
}


class StreamIndex:
    """An index that lies on disk; opening reads no row."""

    def __init__(self, folder: Path) -> None:
        """Open the index in ``folder``.

        Raises:
            MissingData: there is none, it is not whole, or it is of another format.
        """
        self.folder = Path(folder)
        about = read_about(self.folder)
        if about is None:
            raise MissingData(
                f"{self.folder} holds no whole index of format {FORMAT}. "
                "Make one: affectbench stream index --data DIR."
            )
        self.about = about

    @property
    def data(self) -> Path:
        """The corpus folder that was indexed."""
        return Path(self.about["data"])

    @property
    def source(self) -> str:
        """SHA-256 of the table that was indexed: 64 hex digits."""
        return str(self.about["source"])

    @property
    def faults(self) -> pl.DataFrame:
        """``FAULTS``, one row a fault."""
        return pl.read_parquet(self.folder / FAULTY)

    def clips(self, policy: Policy | None = None, *, transcripts: bool = False) -> pl.LazyFrame:
        """``COLUMNS`` of the clips that the policy keeps, in the order of the table.

        Args:
            policy: The default one when None.
            transcripts: Add the column ``transcript``.
        """
        rows = pl.scan_parquet(self.folder / CLIPS).filter((policy or Policy()).keeps())
        return self.with_transcripts(rows) if transcripts else rows

    def with_transcripts(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Rows of this index with the column ``transcript``."""
        texts = pl.scan_parquet(self.folder / TRANSCRIPTS / "*.parquet")
        return rows.join(texts, on="line", how="left", maintain_order="left")


def read_about(folder: Path) -> dict[str, Any] | None:
    """``index.json``; None where it is not there, of another format, or not of its tables."""
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_bytes())
    except (OSError, ValueError):
        return None
    if about.get("format") != FORMAT or about.get("files") != sizes(folder):
        return None
    return about


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of the tables of an index that are there."""
    texts = sorted((folder / TRANSCRIPTS).glob("*.parquet"))
    there = [path for path in (folder / CLIPS, folder / FAULTY, *texts) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in there}

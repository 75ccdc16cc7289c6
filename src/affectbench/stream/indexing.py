"""Making the index: the table typed, matched with the files, and their headers if asked for."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Final

import polars as pl

from affectbench import store
from affectbench.corpora import modulate_stream as corpus
from affectbench.errors import ResultConflict
from affectbench.stream import index as layout
from affectbench.stream.headers import SCHEMA, read_headers
from affectbench.stream.index import StreamIndex
from affectbench.stream.table import NO_PROBABILITY, TWICE, fault, read_rows
from affectbench.types import Finding, Progress

MISSING: Final = "label without audio"
EXTRA: Final = "audio without label"
FOREIGN: Final = "file name not UTF-8"
DIFFERS: Final = "duration differs"
SLACK_S: Final = 0.1  # declared durations may count whole packets, and the codec's delay
NOTES: Final = (NO_PROBABILITY,)  # kinds that are odd, and nothing wrong
WORK: Final = "headers.partial"  # chunks of an unfinished header check


def build(
    data: Path,
    out: Path | None = None,
    *,
    headers: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> StreamIndex:
    """Index the MODULATE-STREAM folder ``data`` into ``out`` (default ``data/stream-index``).

    A table that was indexed there before is not read again: only the match with the files is made
    anew, and the headers are read if asked for; named subsets stay. A killed run leaves no index
    that opens, or the one before; the same call goes on.

    Args:
        data: The corpus folder, as released.
        out: Folder of the index.
        headers: Read the head and end of every Opus file (``stream.opus``), in processes.
        workers: Processes for the headers.
        progress: Told the stage "headers", in files.

    Raises:
        MissingData: there is no table in ``data``.
        BadData: there are several tables, the header is wrong, or a folder cannot be read.
        ResultConflict: ``out`` holds an index of another table.
        AffectBenchError: ``out`` cannot be written, or a worker died.
    """
    data = Path(data).resolve()
    out = data / layout.NAME if out is None else Path(out)
    table = corpus.find_table(data)
    with table.open("rb") as file:
        source = hashlib.file_digest(file, "sha256").hexdigest()
    rows, faults = _kept(out, source) or _read(table, out)
    files, odd = corpus.opus_files(data)
    found = files.with_columns(there=True)
    rows = rows.drop("there").join(found, on="clip", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("there").fill_null(False))
    if headers:
        clips = rows.filter("there")["clip"]
        read = read_headers(data, clips, out / WORK, workers=workers, progress=progress)
        rows = rows.drop(layout.HEADERS, strict=False).join(
            read, on="clip", how="left", maintain_order="left"
        )
    names = [name for name in layout.HEADERS if name in rows.columns]
    blank = [pl.lit(None, SCHEMA[name]).alias(name) for name in layout.HEADERS if name not in names]
    rows = rows.with_columns(*blank, *(pl.when("there").then(name).alias(name) for name in names))
    faults = pl.concat([faults, *_file_faults(rows, files, odd)])
    _write(out, data, table, source, rows.select(*layout.COLUMNS), faults)
    return StreamIndex(out)


def _kept(out: Path, source: str) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Rows of an earlier index of this table, and what was wrong with the table."""
    about = layout.read_about(out)
    if about is None:
        return None
    if about["source"] != source:
        raise ResultConflict(
            f"{out} holds the index of another table ({about['table']} as it was in "
            f"{about['data']}). Choose another --out, or remove that folder."
        )
    of_table = pl.col("kind").is_in([*corpus.ROW_ADVICE, TWICE, NO_PROBABILITY])
    return (
        pl.read_parquet(out / layout.CLIPS),
        pl.read_parquet(out / layout.FAULTY).filter(of_table),
    )


def _read(table: Path, out: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows and faults of the table, read now."""
    # Of a killed run, perhaps of another table.
    shutil.rmtree(out / layout.TRANSCRIPTS, ignore_errors=True)
    return read_rows(table, out)


def _file_faults(rows: pl.DataFrame, files: pl.DataFrame, odd: list[Finding]) -> list[pl.DataFrame]:
    """Faults of the match and of the headers."""
    declared, actual = pl.col("duration_s"), pl.col("actual_s")
    differs = rows.filter(((declared - actual).abs() > SLACK_S) & pl.col("fault").is_null())
    shown = (declared.round(3).cast(pl.String) + " s declared, ") + (
        actual.round(3).cast(pl.String) + " s there"
    )
    lone = files.join(rows, on="clip", how="anti").sort("clip")
    line = pl.lit(None, pl.UInt32).alias("line")
    found = [
        fault(rows.filter(~pl.col("there")), MISSING),
        lone.select(line, "clip", kind=pl.lit(EXTRA), what=pl.lit("no row names it")),
        rows.filter(pl.col("fault").is_not_null()).select(
            "line", "clip", kind="fault", what=pl.col("bytes").cast(pl.String) + " bytes"
        ),
        differs.select("line", "clip", kind=pl.lit(DIFFERS), what=shown),
    ]
    for finding in odd:
        items = pl.DataFrame({"what": finding.items}, schema={"what": pl.String})
        name = pl.lit(None, pl.String)
        found.append(items.select(line, clip=name, kind=pl.lit(finding.kind), what="what"))
    return found


def _write(
    out: Path, data: Path, table: Path, source: str, rows: pl.DataFrame, faults: pl.DataFrame
) -> None:
    """The tables, and what tells that they are whole last."""
    try:
        (out / layout.ABOUT).unlink(missing_ok=True)
    except OSError as error:
        raise store.disk_error(error, out / layout.ABOUT) from error
    store.write_atomic(out / layout.CLIPS, rows.write_parquet)
    store.write_atomic(out / layout.FAULTY, faults.write_parquet)
    store.keep_twin_mark(data, out)
    about = {
        "format": layout.FORMAT,
        "data": str(data),
        "table": table.name,
        "source": source,
        "clips": len(rows),
        "faults": dict(sorted(faults["kind"].value_counts().iter_rows())),
        "headers": bool(rows["bytes"].count()),
        "files": layout.sizes(out),
    }
    store.write_json(out / layout.ABOUT, about)
    shutil.rmtree(out / WORK, ignore_errors=True)

"""The table of MODULATE-STREAM, typed and checked, block by block; transcripts go to disk apart."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from affectbench import store
from affectbench.corpora import modulate_stream as corpus
from affectbench.stream.index import COLUMNS, FAULTS, HEADERS, TRANSCRIPTS
from affectbench.stream.policy import RISK

TWICE: Final = "name appears twice"
NO_PROBABILITY: Final = "no child probability"
NO_ROWS: Final = pl.DataFrame(schema={n: t for n, t in COLUMNS.items() if n not in HEADERS})
NO_FAULTS: Final = pl.DataFrame(schema=FAULTS)


def read_rows(table: Path, out: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The usable rows and the faults of the table; writes the transcripts below ``out``.

    The first row of a name is kept. No more than a block of transcripts is in memory.

    Returns:
        The columns of the index that the table gives (``there`` still null), and ``FAULTS``.

    Raises:
        BadData: the first line is not the header.
        AffectBenchError: the transcripts cannot be written.
    """
    corpus.check_header(table)
    rows, faults = [NO_ROWS], [NO_FAULTS]
    for number, block in enumerate(corpus.blocks(table)):
        good, wrong = corpus.typed(block)
        _write_transcripts(good, out / TRANSCRIPTS / f"{number:05d}.parquet")
        rows.append(_columns(good))
        faults.append(wrong.select("line", pl.lit(None, pl.String).alias("clip"), "kind", "what"))
    if len(rows) == 1:  # so that there is a table of them
        nothing = pl.DataFrame(schema={"line": pl.UInt32, "transcript": pl.String})
        _write_transcripts(nothing, out / TRANSCRIPTS / "00000.parquet")
    return _first_of_each(pl.concat(rows), faults)


def draws(clips: pl.Series) -> pl.Series:
    """The hash of each name, 64 bits of BLAKE2b: the same for ever and on every machine."""
    hashes = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in clips]
    return pl.Series("draw", np.frombuffer(b"".join(hashes), "<u8"), pl.UInt64)


def _write_transcripts(rows: pl.DataFrame, path: Path) -> None:
    texts = rows.select("line", "transcript")
    store.write_atomic(
        path, lambda file: texts.write_parquet(file, compression_level=1, statistics=False)
    )


def _columns(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of the index, from those of ``corpus.typed``."""
    return rows.select(
        "clip",
        "line",
        duration_s=pl.col("clip_duration_msec") / 1000,
        child_probability="is_child_probability",
        female_probability="is_female_probability",
        game="game_metadata",
        folder=pl.col("clip").str.replace(r"/?[^/]*$", ""),
        characters=pl.col("transcript").str.len_chars(),
        child_risk=pl.col("is_child_probability").fill_null(1.0),
        draw=draws(rows["clip"]),
        there=pl.lit(None, pl.Boolean),
    )


def _first_of_each(
    rows: pl.DataFrame, faults: list[pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first row of each name, with the highest risk of all its rows; faults in line order."""
    first = rows["clip"].is_first_distinct()
    unknown = rows["child_probability"].is_null()
    for which, kind in ((~first, TWICE), (unknown, NO_PROBABILITY)):
        faults.append(fault(rows.filter(which), kind))
    if not first.all():
        rows = rows.with_columns(pl.col(RISK).max().over("clip")).filter(first)
    return rows, pl.concat(faults).sort("line", maintain_order=True)


def fault(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """A fault of each row: its line and clip."""
    what = pl.lit("line ") + pl.col("line").cast(pl.String)
    return rows.select("line", "clip", kind=pl.lit(kind), what=what)

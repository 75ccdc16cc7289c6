"""Reading label files: every column by name, every wrong cell named by file, row and column."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from affectbench.errors import BadData, MissingData, listing
from affectbench.store import digest

ROW = "_row"  # line of the file that a record came from, the header being line 1


def read_csv(path: Path, required: Sequence[str]) -> pl.DataFrame:
    """All columns of a comma-separated file as text, blanks null, with the line number as ``_row``.

    A byte-order mark and Windows line ends are accepted.

    Raises:
        MissingData: the file or a required column is not there, or is a link to nowhere.
        BadData: a column appears twice, or the file is not comma-separated UTF-8 text.
    """
    if not path.is_file():
        why = "is a link to nowhere or in a circle" if path.is_symlink() else "is not there"
        raise MissingData(f"{path} {why}. Expected a label file with {listing(required)}.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from error
    _comma_separated(path, header)
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise BadData(
            f"{path}: column {listing(doubled)} appears more than once. "
            "Expected each column once; remove the one that is not the label."
        )
    missing = [name for name in required if name not in header]
    if missing:
        near = difflib.get_close_matches(missing[0], header, n=1)
        hint = f" Is '{near[0]}' meant to be '{missing[0]}'?" if near else ""
        raise MissingData(
            f"{path}: column {listing(missing)} is missing. Found: {listing(header, 50)}.{hint}"
        )
    try:
        table = pl.read_csv(path, infer_schema=False, row_index_name=ROW, row_index_offset=2)
    except pl.exceptions.PolarsError as error:
        raise BadData(
            f"{path} could not be read as comma-separated text: {error}\nA decimal comma that is "
            "not in quotes also makes a row too long: expected 0.5, not 0,5."
        ) from error
    text = pl.col(header)
    return table.with_columns(text.str.strip_chars().replace("", None))


def _comma_separated(path: Path, header: Sequence[str]) -> None:
    """Refuse a header that is one cell because other characters separate the columns."""
    if len(header) != 1:
        return
    for name, mark in (("semicolons", ";"), ("tabs", "\t")):
        if mark in header[0]:
            raise BadData(
                f"{path} is separated by {name}. Expected commas between columns and points in "
                "numbers (0.5, not 0,5), as released. A spreadsheet may have written it anew: "
                "take the released file."
            )


def bad_cells(path: Path, rows: pl.DataFrame, column: str, expected: str) -> list[str]:
    """One phrase per row of ``rows``: where the cell is, what it holds, what was expected."""
    return [
        f"row {row}: {column} is {'blank' if value is None else repr(value)}, expected {expected}"
        for row, value in rows.select(ROW, column).iter_rows()
    ]


def refuse(path: Path, problems: Sequence[str]) -> None:
    """Raise ``BadData`` with all problems of a file, if there are any."""
    if problems:
        raise BadData(
            f"{path}: {len(problems):,} wrong cells: {listing(problems)}. "
            "Nothing was changed; correct the file, or download it again."
        )


def numbers(
    path: Path, table: pl.DataFrame, columns: Sequence[str], low: float, high: float
) -> pl.DataFrame:
    """``table`` with ``columns`` as floats in [low, high]; blanks stay null.

    Raises:
        BadData: a cell is not a number, or out of range; every such cell is counted.
    """
    problems: list[str] = []
    parsed = table.with_columns(pl.col(columns).cast(pl.Float64, strict=False))
    for column in columns:
        value = parsed[column]
        wrong = (value.is_null() & table[column].is_not_null()) | value.is_nan().fill_null(False)
        outside = ((value < low) | (value > high)).fill_null(False)
        expected = f"a number from {low:g} to {high:g}"
        comma = table[column].str.contains(r"^-?\d*,\d+$").fill_null(False)
        problems += bad_cells(path, table.filter((wrong | outside) & ~comma), column, expected)
        expected += " with a point, not a decimal comma"
        problems += bad_cells(path, table.filter(comma), column, expected)
    refuse(path, problems)
    return parsed


def with_seeds(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Add ``seed``: a digest of the label vector, null where a label is.

    Labels of a seed are those of every clip that imitates it, so equal vectors tell a seed.
    """
    vectors = table.select(columns).unique(maintain_order=True).drop_nulls()
    names = [digest(*(value.hex() for value in row))[:12] for row in vectors.iter_rows()]
    vectors = vectors.with_columns(seed=pl.Series(names, dtype=pl.String))
    return table.join(vectors, on=list(columns), how="left", maintain_order="left")


def one_row_each(path: Path, table: pl.DataFrame, column: str) -> None:
    """Check that no value of ``column`` is on more than one row.

    Raises:
        BadData: with the values and the rows of the first of them.
    """
    again = table.filter(table[column].is_duplicated())
    doubled = again[column].unique(maintain_order=True).to_list()
    if doubled:
        rows = again.filter(pl.col(column) == doubled[0])[ROW].to_list()
        raise BadData(
            f"{path}: {len(doubled):,} ids appear on more than one row: {listing(doubled)}. "
            f"The first is on rows {listing(rows)}. "
            "Expected one row a clip; remove the extra rows."
        )


def choices(
    path: Path, table: pl.DataFrame, column: str, allowed: Sequence[str], *, blank_ok: bool
) -> None:
    """Check that every cell of ``column`` is one of ``allowed``, spelt exactly so.

    Raises:
        BadData: with the row, the value and the nearest allowed one.
    """
    known = table[column].is_in(list(allowed)).fill_null(blank_ok)
    problems = []
    for row, value in table.filter(~known).select(ROW, column).iter_rows():
        near = difflib.get_close_matches(value or "", allowed, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        found = "blank" if value is None else repr(value)
        problems.append(f"row {row}: {column} is {found}{hint}")
    if problems:
        problems[-1] += f"; expected one of {', '.join(allowed)}"
    refuse(path, problems)

"""Predicted values: numbers and classes as they are written, never guessed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Final

import polars as pl

from affectbench.errors import listing
from affectbench.submission.columns import plain
from affectbench.submission.names import shown
from affectbench.submission.verdict import FIRST, Log, first_of, number_of
from affectbench.types import Submission, Target

EXPONENT: Final = "(?:[eE][+-]?[0-9]{1,4})?"
NUMBER: Final = rf"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+){EXPONENT}$"
COMMA: Final = rf"^[+-]?(?:[0-9]+,[0-9]*|,[0-9]+){EXPONENT}$"
THOUSANDS: Final = r"^[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+$"
MISSING: Final = r"^(?i:[+-]?(?:\?|nan|n/?a|none|null|inf|infinity)|#(?:n/a|value!|div/0!|num!))$"
LONG: Final = 100  # characters; no class has a longer name

Columns = dict[str, pl.Series]  # header of the form -> cells [N], blanks around them stripped


def numbers(
    rows: pl.Series, columns: Columns, targets: Mapping[str, Target], log: Log
) -> dict[str, pl.Series]:
    """[N] finite floats by header; null where a cell is no number, which is then a problem.

    A decimal comma is read as a point where no number of the file has a point, and where the
    commas cannot part thousands. Values outside the range of the labels are kept and noted.
    """
    values = {}
    wrong = {}
    columns = _with_points(rows, columns, log)
    for name, text in columns.items():
        column = text.cast(pl.Float64, strict=False).fill_null(math.nan)
        good = column.is_finite() & text.str.contains(NUMBER)
        if not good.all():
            wrong[name] = ~good
            column = pl.select(pl.when(good).then(column)).to_series()
        values[name] = column
    _tell_wrong(rows, columns, wrong, log)
    _note_range(values, targets, log)
    _note_constant(values, log)
    return values


def _with_points(rows: pl.Series, columns: Columns, log: Log) -> Columns:
    """The columns with points for decimal commas, where that is beyond doubt."""
    commas = {name: text.str.contains(COMMA) for name, text in columns.items()}
    numerals = [text.filter(commas[name]) for name, text in columns.items()]
    count = sum(len(cells) for cells in numerals)
    if not count:
        return columns
    at = sorted({row for mask in commas.values() for row in rows.filter(mask)})
    if any(text.str.contains(r"^[^,]*[0-9]\.[0-9]").any() for text in columns.values()):
        why = "beside numbers with points"
    elif all(cells.str.contains(THOUSANDS).all() for cells in numerals):
        why = "that may part thousands"
    else:
        log.repaired("decimal commas", count, f"{count:,} decimal commas read as points.", at)
        return {name: text.str.replace(",", ".", literal=True) for name, text in columns.items()}
    places = first_of((f"row {row}" for row in at), len(at))
    log.problems.append(
        f"{number_of(count, 'number')} with commas {why}: {places}. Expected points alone, 0.5."
    )
    # Told once: what follows takes these cells for zeros.
    return {
        name: pl.select(pl.when(commas[name]).then(pl.lit("0")).otherwise(text)).to_series()
        for name, text in columns.items()
    }


def _tell_wrong(rows: pl.Series, columns: Columns, wrong: Columns, log: Log) -> None:
    """Problems for cells that are no finite number, by what they are."""
    counts = {"blank": 0, "missing, NaN or infinite": 0, "not a number": 0}
    first: dict[str, list[tuple[int, str, str]]] = {what: [] for what in counts}
    for name, bad in wrong.items():
        text = columns[name]
        blank = bad & (text == "")
        missing = bad & (text.str.contains(MISSING) | text.str.contains(NUMBER))
        for what, mask in zip(counts, (blank, missing, bad & ~blank & ~missing), strict=True):
            counts[what] += int(mask.sum())
            found = pl.DataFrame({"row": rows.filter(mask), "cell": text.filter(mask)})
            first[what] += [(row, name, cell) for row, cell in found.head(FIRST).iter_rows()]
    for what, count in counts.items():
        if count:
            held = sorted(first[what], key=lambda place: place[0])
            places = (
                f"row {row} {name} {shown(cell) if cell else ''}".rstrip()
                for row, name, cell in held
            )
            log.problems.append(
                f"{number_of(count, 'cell')} {what}: {first_of(places, count)}. Expected a finite "
                "number for every clip and column."
            )


def _note_range(values: Mapping[str, pl.Series], targets: Mapping[str, Target], log: Log) -> None:
    """Notes on predictions outside the range of the labels."""
    outside: list[str] = []
    percent: list[str] = []
    total = 0
    for name, column in values.items():
        target = targets[name]
        count = int(((column < target.low) | (column > target.high)).sum())
        if count:
            total += count
            outside.append(f"{name} {count:,}")
        if target.high == 1 and 2 * int((column > 1).sum()) > len(column):
            percent.append(name)
    if outside:
        log.notes.append(
            f"{number_of(total, 'prediction')} outside the range of the labels "
            f"({listing(outside)}); kept as they are."
        )
    if percent:
        log.notes.append(
            f"Most predictions of {listing(percent)} are above 1, the highest label: another "
            "scale, such as percent? They are scored as they are."
        )


def _note_constant(values: Mapping[str, pl.Series], log: Log) -> None:
    """A note on columns that hold one number."""
    constant = [
        name
        for name, column in values.items()
        if len(column) > 1 and column.n_unique() == 1 and not column.has_nulls()
    ]
    if constant:
        log.notes.append(
            f"One number on every row: {listing(constant)}. The CCC is then 0, and a correlation "
            "is undefined."
        )


def classes(
    rows: pl.Series,
    columns: Columns,
    targets: Mapping[str, Target],
    form: Submission,
    log: Log,
) -> dict[str, pl.Series]:
    """[N] class names by header; null where a cell is no class, which is then a problem.

    Integer codes of the form become names, "1.0" too; names count in any case.
    """
    values = {}
    for name, text in columns.items():
        target = targets[name]
        codes = {str(i): own for i, own in enumerate(form.codes.get(target.columns[0], ()))}
        exact, loose = _spellings(target.classes, codes)
        read = {cell: exact.get(cell) or loose.get(plain(cell[:LONG])) for cell in text.unique()}
        found = text.replace_strict(read, return_dtype=pl.String)
        usual = set(codes or target.classes)
        other = [cell for cell, own in read.items() if own is not None and cell not in usual]
        at = rows.filter(text.is_in(other)).to_list()
        what = "by name, or codes as decimals" if codes else "in another case"
        many = number_of(len(at), "class", "classes")
        log.repaired("classes", len(at), f"{name}: {many} {what}.", at)
        if found.has_nulls():
            bad = found.is_null()
            table = pl.DataFrame({"row": rows.filter(bad), "cell": text.filter(bad)})
            _tell_unknown(name, table, target.classes, codes, log)
        elif len(found) > 1 and found.n_unique() == 1:
            log.notes.append(f"Every row of {name} has the same class.")
        values[name] = found
    return values


def _spellings(
    names: tuple[str, ...], codes: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """What means a class as it stands (name, code, "1.0"), and names as ``plain`` compares them."""
    exact = {name: name for name in names} | dict(codes)
    exact |= {f"{code}{end}": name for code, name in codes.items() for end in (".0", ",0")}
    spelt = [plain(name) for name in names]
    return exact, {plain(name): name for name in names if spelt.count(plain(name)) == 1}


def _tell_unknown(
    name: str,
    bad: pl.DataFrame,
    names: tuple[str, ...],
    codes: Mapping[str, str],
    log: Log,
) -> None:
    """A problem for cells that are no class, with the class that may be meant."""

    def place(row: int, cell: str) -> str:
        near = difflib.get_close_matches(cell[:LONG], names, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"row {row} {name} {shown(cell) if cell else 'blank'}{hint}"

    expected = listing([f"{code} ({own})" for code, own in codes.items()] or names, 50)
    places = first_of((place(*pair) for pair in bad.iter_rows()), len(bad))
    log.problems.append(
        f"{number_of(len(bad), 'cell')} of no class: {places}. Expected one of {expected}."
    )

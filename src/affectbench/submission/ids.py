"""Ids of clips: what spreadsheets and scripts did to them is put right where only one id fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from affectbench.errors import listing
from affectbench.submission.names import shown
from affectbench.submission.text import ROW
from affectbench.submission.verdict import FIRST, Log, first_of, number_of
from affectbench.types import Submission

DIGITS: Final = 5  # of a bracketed id
AUDIO: Final = ("wav", "webm", "mp3", "flac", "ogg", "opus", "hdf5", "csv")
ENDING: Final = rf"(?i:\.(?:{'|'.join(AUDIO)}))"
# Brackets and quotes as numpy and pandas print them, a folder, digits, ".0" of a float, an ending.
BRACKETED: Final = (
    rf"""^[\[\s'"]*((?:.*[/\\])?)([0-9]{{1,{DIGITS}}})((?:\.0)?{ENDING}?)['"\s\]]*$"""
)
ONE_PAIR: Final = r"""^\[[^\[\]'"\s]*\]$"""
DECORATED: Final = r"""^[\[\s'"]*([^\[\]'"]*)['"\s\]]*$"""
MOST_CHARACTERS: Final = 200
UNSAFE: Final = "=+-@"  # a spreadsheet takes a cell that begins so for a formula


def clean(
    cells: pl.DataFrame, form: Submission, expected: Sequence[str] | None, log: Log
) -> pl.Series:
    """The bare id of each row, [N]; null where it could not be understood.

    Args:
        cells: ``row`` and the id cells as ``id``.
        form: whether ids are bracketed, which makes them five digits.
        expected: the ids of the test part, or None where they are not known.
        log: takes repairs and problems.
    """
    ids = _bracketed(cells, log) if form.bracketed else _free(cells, expected, log)
    table = cells.select(ROW).with_columns(ids.alias("clip"))
    _tell_doubled(table, log)
    if expected is not None:
        _compare(table.drop_nulls("clip"), expected, log)
    order = ids.drop_nulls()
    log.repaired(
        "row order", int(not order.is_sorted()), "Rows were put into the order of their ids."
    )
    return ids


def problem_of(clip: str, form: Submission) -> str:
    """Why an id cannot be written in a form; empty where it can."""
    if form.bracketed:
        good = re.fullmatch(rf"[0-9]{{{DIGITS}}}", clip) is not None
        return "" if good else f"is not {DIGITS} digits"
    if not clip or len(clip) > MOST_CHARACTERS:
        return f"is blank or has more than {MOST_CHARACTERS} characters"
    if not clip.isprintable() or clip != clip.strip() or clip[0] in UNSAFE:
        return f"holds control characters, or begins with a blank or one of {UNSAFE}"
    return "holds brackets or quotes" if set(clip) & set("[]'\"") else ""


def _bracketed(cells: pl.DataFrame, log: Log) -> pl.Series:
    """Five digits each, zeros filled up."""
    raw = cells["id"]
    folder, digits, ending = (raw.str.extract(BRACKETED, group) for group in (1, 2, 3))
    _tell_bad(cells.filter(digits.is_null()), "five digits in brackets such as [00123]", log)
    fine = digits.is_not_null()
    plain = raw.str.contains(ONE_PAIR)
    short = digits.str.len_chars() < DIGITS
    named = (folder.str.len_chars() + ending.str.len_chars()) > 0
    rows = cells[ROW]
    for kind, mask, what in (
        ("brackets", fine & ~plain, "put into one pair of brackets"),
        ("zeros", short.fill_null(False), f"filled up with zeros to {DIGITS} digits"),
        ("endings", named.fill_null(False), "freed from a folder, an ending or a decimal"),
    ):
        at = rows.filter(mask).to_list()
        log.repaired(kind, len(at), f"{number_of(len(at), 'id')} {what}.", at)
    return digits.str.zfill(DIGITS)


def _free(cells: pl.DataFrame, expected: Sequence[str] | None, log: Log) -> pl.Series:
    """Ids to the letter, without brackets and quotes; matched to the test part where unique."""
    bare = cells["id"].str.extract(DECORATED, 1).str.strip_chars()
    form = Submission(stem="", key="", bracketed=False, columns={})
    bad = [clip is None or problem_of(clip, form) != "" for clip in bare]
    wrong = pl.Series(bad, dtype=pl.Boolean)
    _tell_bad(cells.filter(wrong), "the id of a clip, plain text as in the corpus", log)
    ids = pl.select(pl.when(~wrong).then(bare)).to_series()
    at = cells[ROW].filter(ids.is_not_null() & (ids != cells["id"])).to_list()
    log.repaired(
        "brackets", len(at), f"{number_of(len(at), 'id')} freed from brackets or quotes.", at
    )
    if expected is None:
        return ids
    return _matched(cells[ROW], ids, expected, log)


def _matched(rows: pl.Series, ids: pl.Series, expected: Sequence[str], log: Log) -> pl.Series:
    """Ids that lost zeros, an ending or gained a folder, where one expected id alone fits."""
    known = set(expected)
    alike: dict[str, list[str]] = {}
    for clip in expected:
        alike.setdefault(_gist(clip), []).append(clip)
    new: list[str | None] = []
    changed = []
    for row, clip in zip(rows, ids, strict=True):
        fits = alike.get(_gist(clip), []) if clip is not None and clip not in known else []
        new.append(fits[0] if len(fits) == 1 else clip)
        if len(fits) == 1:
            changed.append(row)
    log.repaired(
        "ids",
        len(changed),
        f"{number_of(len(changed), 'id')} written in another way (zeros, ending, folder): each "
        "fits one test clip alone.",
        changed,
    )
    return pl.Series(new, dtype=pl.String)


def _gist(clip: str) -> str:
    """What is left of an id without folder, ending and leading zeros."""
    name = re.split(r"[/\\]", clip)[-1].casefold()
    name = re.sub(rf"(?:\.0)?{ENDING}?$", "", name)
    return name.lstrip("0")


def _tell_bad(bad: pl.DataFrame, expected: str, log: Log) -> None:
    """A problem for ids that were not understood."""
    if len(bad):
        cells = (f"row {row} has {shown(cell)}" for row, cell in bad.select(ROW, "id").iter_rows())
        log.problems.append(
            f"{number_of(len(bad), 'id')} not understood: {first_of(cells, len(bad))}. Expected "
            f"{expected}."
        )


def _tell_doubled(table: pl.DataFrame, log: Log) -> None:
    """A problem for ids on several rows, whether the rows agree or not."""
    again = table.drop_nulls("clip").filter(pl.col("clip").is_duplicated())
    if not len(again):
        return
    groups = again.group_by("clip", maintain_order=True).agg(pl.col(ROW))
    places = (f"{shown(clip)} on rows {listing(rows, 4)}" for clip, rows in groups.iter_rows())
    log.problems.append(
        f"{number_of(len(groups), 'clip')} on more than one row: "
        f"{first_of(places, len(groups))}. Expected one row a clip."
    )


def _compare(table: pl.DataFrame, expected: Sequence[str], log: Log) -> None:
    """Problems for clips that are not in the test part, and for those that have no row."""
    known = pl.Series(expected, dtype=pl.String)
    unknown = table.filter(~pl.col("clip").is_in(known.implode()))
    missing = known.filter(~known.is_in(table["clip"].implode()))
    if len(table) and len(unknown) == len(table):
        log.problems.append(
            f"None of the {number_of(len(table), 'id')} is of the test part: "
            f"{_few(unknown['clip'])}; expected {_few(known)}. Is it the right part, and the "
            "right corpus?"
        )
        return
    if len(unknown):
        rows = (f"row {row} {shown(clip)}" for row, clip in unknown.select(ROW, "clip").iter_rows())
        log.problems.append(
            f"{number_of(len(unknown), 'clip')} not of the test part: "
            f"{first_of(rows, len(unknown))}."
        )
    if len(missing):
        log.problems.append(
            f"{number_of(len(missing), 'test clip')} without a row: {_few(missing)}. Expected one "
            f"row for each of the {number_of(len(known), 'clip')}."
        )


def _few(ids: pl.Series) -> str:
    """The first of many ids."""
    return first_of((shown(clip) for clip in ids.head(FIRST)), len(ids))

"""Predictions as the official file, to the letter."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO

import polars as pl

from affectbench.errors import BadData, ResultConflict, listing
from affectbench.store import write_atomic
from affectbench.submission import ids
from affectbench.submission.names import form_of, shown
from affectbench.types import Submission, Target, Task


def write(table: pl.DataFrame, task: Task, path: Path) -> None:
    """Write predictions in the form of the task, whole or not at all.

    Args:
        table: as in ``Handed``: ``clip`` and ``prediction.<column>``; other columns are left out.
        task: gives headers and their order, brackets, integer codes.
        path: the file; it is replaced if it is there.

    Raises:
        BadData: a column is missing, a cell is null, not finite or no class, an id is doubled or
            cannot be written.
    """
    data = content(table, task)
    write_atomic(path, lambda file: file.write(data))


def content(table: pl.DataFrame, task: Task) -> bytes:
    """The bytes of the official file: rows by id, Unix line ends, all digits of a number."""
    form = form_of(task)
    check(table, task)
    table = table.sort("clip")
    owner = {column: target for target in task.targets for column in target.columns}
    clips = table["clip"]
    cells = [[f"[{clip}]" for clip in clips] if form.bracketed else clips.to_list()]
    cells += [_cells(table[f"prediction.{c}"], owner[c], form) for c in form.columns.values()]
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow([form.key, *form.columns])
    out.writerows(zip(*cells, strict=True))
    return text.getvalue().encode()


def _cells(column: pl.Series, target: Target, form: Submission) -> list[str]:
    """Numbers with all their digits, classes by name or code."""
    if target.kind == "regression":
        return list(map(repr, column.cast(pl.Float64).to_list()))
    codes = form.codes.get(target.columns[0])
    if codes is None:
        return column.to_list()
    return [str(codes.index(name)) for name in column]


def check(table: pl.DataFrame, task: Task) -> None:
    """Predictions must be complete.

    Raises:
        BadData: see ``write``.
    """
    form = form_of(task)
    wanted = ["clip", *(f"prediction.{column}" for column in task.columns)]
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise BadData(f"{task.name}: the predictions have no column {listing(absent)}.")
    if not len(table):
        raise BadData(f"{task.name}: there are no predictions.")
    blank = table.filter(pl.any_horizontal(pl.col(wanted).is_null()))["clip"]
    if len(blank):
        raise BadData(
            f"{task.name}: {len(blank):,} clips lack a prediction: {listing(blank.to_list())}. "
            "Expected one for every clip."
        )
    why = {clip: ids.problem_of(clip, form) for clip in table["clip"]}
    bad = [f"{shown(clip)} {reason}" for clip, reason in why.items() if reason]
    bad += [f"{shown(clip)} is doubled" for clip in _doubled(table["clip"])]
    for target in task.targets:
        columns = [table[f"prediction.{column}"] for column in target.columns]
        if target.kind == "regression":
            numeric = all(column.dtype.is_numeric() for column in columns)
            if not numeric or not all(column.is_finite().all() for column in columns):
                bad.append(f"{target.name}: NaN, infinite or no numbers")
        elif not columns[0].cast(pl.String).is_in(target.classes).all():
            bad.append(f"{target.name}: not of {listing(target.classes, 50)}")
    if bad:
        raise BadData(f"{task.name}: predictions that cannot be written: {listing(bad)}.")


def _doubled(clips: pl.Series) -> list[str]:
    return clips.filter(clips.is_duplicated()).unique(maintain_order=True).to_list()


def write_new(files: Mapping[Path, bytes]) -> None:
    """Write files that must not be there with another content; those that are there are kept.

    Raises:
        ResultConflict: one is there and differs; then none is written.
    """
    absent = {path: data for path, data in files.items() if not _same(path, data)}
    for path, data in absent.items():
        write_atomic(path, partial(_fill, data=data))


def _fill(file: IO[bytes], data: bytes) -> None:
    file.write(data)


def _same(path: Path, data: bytes) -> bool:
    """Whether a file is there with this content; a conflict where it has another."""
    if not path.exists() and not path.is_symlink():
        return False
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return True
    raise ResultConflict(
        f"{path} is there already with another content, and was left as it is. Choose another "
        "number, file or folder, or remove it."
    )

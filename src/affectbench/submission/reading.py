"""A file that was handed in, read: repaired where that is safe, refused with reasons elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.errors import BadData
from affectbench.submission import ids, values
from affectbench.submission.columns import Places, find
from affectbench.submission.names import form_of, misnamed
from affectbench.submission.text import MAX_BYTES, MAX_ROWS, ROW, Sheet, read_sheet
from affectbench.submission.verdict import Log, Refused, Repair
from affectbench.types import Submission, Task

ROWS_PER_CLIP: Final = 10  # more rows than this times the expected ones are not read
FEW_ROWS: Final = 1_000  # always read
UNCHECKED: Final = (
    "The ids were not compared with the test part: no labels and no corpus folder were given."
)


@dataclass(frozen=True, slots=True)
class Handed:
    """Predictions that can be scored.

    ``table``: ``clip`` (bare id, zeros kept) and ``prediction.<column>`` for each column of the
    task's targets, in their order; one row a clip, sorted by id. Numbers are finite floats,
    classes are names. Nothing is null.
    """

    table: pl.DataFrame
    repairs: tuple[Repair, ...] = ()
    notes: tuple[str, ...] = ()
    checked: bool = False  # whether the ids were compared with those of the test part


def read(
    path: Path,
    task: Task,
    *,
    expected: Sequence[str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Handed:
    """Read a submission of ``task``: what is safe is repaired and told, no value is guessed.

    Args:
        path: a CSV, of any separator and spelling that leaves no doubt.
        task: what it is handed in for.
        expected: ids of the test part; None where they are not known, which is noted.
        max_bytes: a larger file is refused before it is read.

    Raises:
        MissingData: there is no such file.
        Refused: it cannot be scored; with every problem found, its rows and columns.
        BadData: the task is one of generation, which takes clips and no table.
    """
    form = form_of(task)
    if task.protocol == "generate":
        raise BadData(f"{task.name} takes generated clips, no table: see read_bundle.")
    log = Log()
    other = misnamed(path.name, task)
    if other:
        log.problems.append(
            f"It is named for {other}; {task.name} expects {form.stem}_<team>_<number>.csv. Is it "
            "the right task?"
        )
    most = MAX_ROWS
    if expected is not None:
        most = min(MAX_ROWS, max(FEW_ROWS, ROWS_PER_CLIP * len(expected)))
    sheet = read_sheet(path, log, most_rows=most, max_bytes=max_bytes)
    places = find(sheet, form, log)
    if not len(sheet.cells) and not sheet.ragged:
        log.problems.append("There is a header and no row; expected one row a test clip.")
    clips = _clips(sheet, places, form, expected, log)
    found = _values(sheet, places, task, form, log)
    if log.problems or clips is None:
        raise Refused(path.name, log.problems)
    if expected is None:
        log.notes.append(UNCHECKED)
    columns = {form.columns[header]: column for header, column in found.items()}
    table = pl.DataFrame(
        {"clip": clips, **{f"prediction.{name}": columns[name] for name in task.columns}}
    )
    return Handed(table.sort("clip"), tuple(log.repairs), tuple(log.notes), expected is not None)


def _clips(
    sheet: Sheet, places: Places, form: Submission, expected: Sequence[str] | None, log: Log
) -> pl.Series | None:
    """Bare ids, or None where no column holds them."""
    if places.key is None:
        return None
    cells = sheet.cells.select(ROW, pl.col(str(places.key)).alias("id"))
    whole = expected if not sheet.ragged else None  # rows left out would be told as missing clips
    return ids.clean(cells, form, whole, log)


def _values(
    sheet: Sheet, places: Places, task: Task, form: Submission, log: Log
) -> dict[str, pl.Series]:
    """Values by header, of the columns that the file has."""
    owner = {column: target for target in task.targets for column in target.columns}
    targets = {header: owner[column] for header, column in form.columns.items()}

    def held(kind: str) -> values.Columns:
        return {
            header: sheet.cells[str(place)]
            for header, place in places.columns.items()
            if targets[header].kind == kind
        }

    rows = sheet.cells[ROW]
    return {
        **values.numbers(rows, held("regression"), targets, log),
        **values.classes(rows, held("classification"), targets, form, log),
    }

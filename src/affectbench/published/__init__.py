"""Published numbers as data: every cell of Tables 5 to 10 of the workshop paper, and later results.

``rows.csv`` beside this file holds one row a cell; it is read when ``PUBLISHED`` is first asked
for. A number that is known from memory, at second hand or not at all has no row. Columns:

    task      id of a task
    system    what made the number; one name for one system, wherever it is printed
    team      who handed it in, as printed
    split     dev or test; unknown where the source does not say. A generated set has no part of
              its own: dev, against which it is measured, but test in Table 8, as printed
    metric    the measure: ccc, uar, ...
    variant   which reading of it. metric.variant is a key of METRICS where that is known: the
              code that scored is public, or arithmetic settles it. "unknown" otherwise: the
              organisers' scoring of a blind test is not public
    scale     rows compare only within a scale, split and output; see SCALES
    output    the emotion; empty for the value over all outputs
    value     as printed; empty where nothing is printed or left. Percentages are divided by 100
              and the note says so
    spread    the ± as printed, over seeds
    low, high the interval as printed
    source    where the number stands: arXiv:, doi:, or a repository at a commit
    table     table, file, or abstract in there
    cell      row / column, as printed
    paper     where the system is described; empty where that is not known
    status    verified: a second source, or arithmetic on other cells, agrees
              reported: printed there, not confirmed elsewhere
              disputed: two sources contradict each other, on the number or on what it is
              extraction-damaged: characters of the cell, its interval or its row are lost
    note      why disputed, damaged or empty; what a reader must know

A system may stand in several places: Tables 7 and 9 and an abstract print one End2You. Rows of
one ``place``, team and system are prints of one number, some with more digits.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

from affectbench.errors import BadData, MissingData

SCALES: Final[Mapping[str, str]] = {
    "spearman": "Spearman's rho of an emotion, or the mean over the nine",
    "spearman/unknown": "a rho of which the source does not say how it is averaged",
    "ccc": "CCC, the mean over outputs; at these sizes its variants agree to three digits",
    "ccc/with-support": "CCC in which the speakers' enrolment clips are scored too",
    "uar": "recall, the mean over classes",
    "mae": "mean absolute error of the age in years; lower is better",
    "s_mtl": "harmonic mean of CCC, UAR and 1 / MAE",
    "s_gen": "(1 / FID + HEEP) / 2 of an emotion, or the mean over ten with 0 for Triumph",
    "s_gen/table-8": "called S_GEN, but the baseline of .174 is .090 here",
    "fid": "Fréchet distance in the organisers' feature space; lower is better. The abstract of "
    "ExVo 2022 says to the training set, the statistics that were released are of dev",
    "heep": "correlation of the emotion that was meant and the one that was heard",
}
LOWER_IS_BETTER: Final = frozenset({"mae", "fid"})  # scales
SPLITS: Final = ("dev", "test", "unknown")
STATUSES: Final = ("verified", "reported", "disputed", "extraction-damaged")

PUBLISHED: tuple[Published, ...]  # all rows, in the order of the file; see __getattr__


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published cell. The columns are explained at the head of this module."""

    task: str
    system: str
    team: str
    split: Literal["dev", "test", "unknown"]
    metric: str
    variant: str
    scale: str
    output: str
    printed: str  # the column ``value``
    spread: float | None
    low: float | None
    high: float | None
    source: str
    table: str
    cell: str
    paper: str
    status: Literal["verified", "reported", "disputed", "extraction-damaged"]
    note: str
    value: float | None  # None where nothing is printed, or digits are lost

    @property
    def key(self) -> str:
        """``ccc.official``: a key of METRICS where the variant is known and is one of ours."""
        return f"{self.metric}.{self.variant}"

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Task, split, scale, output: rows with the same place compare with each other."""
        return self.task, self.split, self.scale, self.output

    @property
    def rankable(self) -> bool:
        """Whether it may stand in a ranking of its place: a value, not disputed, not damaged."""
        return self.value is not None and self.status in ("verified", "reported")


COLUMNS: Final = tuple(
    {"printed": "value"}.get(field.name, field.name) for field in fields(Published)[:-1]
)
OPTIONAL: Final = ("output", "value", "spread", "low", "high", "paper", "note")
NUMBER: Final = re.compile(r"-?(\d{1,9}(\.\d{1,20})?|\.\d{1,20})", re.ASCII)


def __getattr__(name: str) -> tuple[Published, ...]:
    """``PUBLISHED``, read when it is first asked for."""
    if name == "PUBLISHED":
        return _load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def of_task(name: str) -> tuple[Published, ...]:
    """The published numbers of a task, in the order of the file; none where none are known.

    Raises:
        MissingData: ``rows.csv`` is not there.
        BadData: ``rows.csv`` is broken.
    """
    return tuple(row for row in _load() if row.task == name)


@cache
def _load() -> tuple[Published, ...]:
    file = resources.files(__name__) / "rows.csv"
    advice = "Install affectbench again."
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingData(f"The published numbers, {file}, are not there. {advice}") from error
    except UnicodeDecodeError as error:
        raise BadData(f"The published numbers, {file}, are not UTF-8 text. {advice}") from error
    return parse(text)


def parse(text: str) -> tuple[Published, ...]:
    """Rows of a CSV with the columns of ``rows.csv``, in its order.

    Raises:
        BadData: another header, a line with more or fewer fields, an empty field that is needed,
            a split, scale or status that does not exist, a value that is no number, an interval
            that does not hold its value, a missing note, or a cell that stands there twice.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Published] = []
    lines: dict[tuple[str, ...], int] = {}
    try:
        header = tuple(next(reader, ()))
        if header != COLUMNS:
            raise BadData(f"found the columns {', '.join(header)}; expected {', '.join(COLUMNS)}")
        for cells in reader:
            row = _row(cells)
            for identity in (
                (row.source, row.table, row.cell),
                (*row.place, row.system, row.team, row.source, row.table),
            ):
                if identity in lines:
                    raise BadData(f"tells the cell of line {lines[identity]} again; expected once")
                lines[identity] = reader.line_num
            rows.append(row)
    except (BadData, csv.Error) as error:
        raise BadData(
            f"Published numbers, line {reader.line_num}: {error}. "
            "Mend the line, or install affectbench again."
        ) from error
    return tuple(rows)


def _row(cells: list[str]) -> Published:
    """One line; the message of an error is completed by ``parse``."""
    if len(cells) != len(COLUMNS):
        raise BadData(f"found {len(cells)} fields; expected {len(COLUMNS)}")
    row: dict[str, Any] = dict(zip(COLUMNS, cells, strict=True))
    for column, cell in row.items():
        if cell != cell.strip() or len(cell.splitlines()) > 1:
            raise BadData(f"'{column}' begins or ends with a blank, or holds a line break")
        if not cell and column not in OPTIONAL:
            raise BadData(f"'{column}' is empty")
    for column, known in (("split", SPLITS), ("scale", SCALES), ("status", STATUSES)):
        if row[column] not in known:
            raise BadData(f"'{column}' is '{row[column]}'; expected one of {', '.join(known)}")
    row["printed"] = printed = row["value"]
    damaged = row["status"] == "extraction-damaged"
    if not row["note"] and (damaged or row["status"] == "disputed" or not printed):
        raise BadData("'note' is empty; expected why it is disputed, damaged or without a value")
    row |= {column: _number(row, column) for column in ("spread", "low", "high")}
    row["value"] = None if damaged and not NUMBER.fullmatch(printed) else _number(row, "value")
    published = Published(**row)
    _check_interval(published)
    return published


def _number(row: Mapping[str, str], column: str) -> float | None:
    """A number in plain digits, None for an empty cell."""
    if not row[column]:
        return None
    if not NUMBER.fullmatch(row[column]):
        raise BadData(f"'{column}' is '{row[column]}'; expected a number in plain digits")
    return float(row[column])


def _check_interval(row: Published) -> None:
    if (row.low is None) != (row.high is None):
        raise BadData("found one bound of an interval; expected both or none")
    if row.spread is not None and row.spread < 0:
        raise BadData(f"'spread' is {row.spread}; expected 0 or more")
    if row.low is None or row.high is None:
        return
    if row.value is None or not row.low <= row.value <= row.high:
        raise BadData(f"the interval {row.low} to {row.high} does not hold '{row.printed}'")


__all__ = [
    "LOWER_IS_BETTER",
    "PUBLISHED",
    "SCALES",
    "SPLITS",
    "STATUSES",
    "Published",
    "of_task",
    "parse",
]

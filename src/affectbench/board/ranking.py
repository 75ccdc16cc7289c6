"""The board of a task: what is ranked together, what is set apart, and what must be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Final, Literal

from affectbench.board import own, printed
from affectbench.board.model import Board, Group, Row
from affectbench.board.stored import Readings, Stored, read
from affectbench.board.wording import clean
from affectbench.errors import BadData, MissingData
from affectbench.metrics import METRICS
from affectbench.published import SCALES
from affectbench.scoring import Scoring
from affectbench.tasks import TASKS
from affectbench.types import Task

Part = Literal["dev", "test"]
PARTS: Final[tuple[Part, ...]] = ("test", "dev")
APART: Final = "Set apart, never ranked"
TWIN: Final = (
    "A twin is synthetic: its scores say nothing about people and do not compare with published "
    "ones."
)
OTHER: Final = "These are not the published clips: the scores do not compare with published ones."
UNKNOWN: Final = (
    "An older version made these results and did not note whether the data are a twin. Run again "
    "to rank them beside published numbers."
)
ABOUT: Final = {"twin": TWIN, "corpus": OTHER}
OVERLAPS: Final = (
    "~ The published value lies in the interval of an own system. That is no test, and none can be "
    "made without the predictions."
)
RANKS: Final = (
    "own: the places that a system may have among the own systems, by paired tests on the same "
    "clips, corrected for the number of pairs."
)


def of_task(
    task: Task,
    *,
    results: Path | Readings | None = None,
    part: str | None = None,
    scoring: Scoring | None = None,
) -> Board:
    """Published numbers of a task and the results of a folder.

    Own results are ranked with published numbers where they are of the released clips, all of the
    part; results of other data have a group for each data. Published numbers of another scale, of
    an unknown part, disputed or damaged are set apart, and so are results that cannot be trusted.

    Args:
        task: a row of ``TASKS``, or your own.
        results: a folder of results, or what ``stored.read`` found there; None: published numbers
            alone.
        part: dev or test; None: both.
        scoring: how own systems are compared with each other; None: as their intervals were made,
            with 10,000 draws.

    Returns:
        The board. ``groups`` is empty where there is neither a published number nor a result.

    Raises:
        MissingData: the folder is not there.
        BadData: there is no such part.
    """
    if part not in (None, *PARTS):
        raise BadData(f"The part is '{part}'. Expected dev or test.")
    if isinstance(results, Path):
        readings = read(results, {task.name: task}, task.name)
    else:
        readings = (results or Readings()).of_task(task.name)
    board = _board(task, readings, [p for p in PARTS if part in (None, p)], scoring)
    if isinstance(results, Path) and not (readings.stored or readings.unusable):
        missing = f"{results} holds no results of {task.name}."
        board = replace(board, remarks=(*board.remarks, clean(missing)))
    return board


def of_folder(results: Path | Readings, *, scoring: Scoring | None = None) -> tuple[Board, ...]:
    """A board of own results for each task in a folder, without published numbers.

    Each ranks on test where all its systems are scored on test, else on dev. A task that is not
    known here (one of your own) is shown as it is stored, and its systems are not compared.

    Raises:
        MissingData: there are no results.
    """
    readings = read(results, TASKS) if isinstance(results, Path) else results
    names = sorted({s.task for s in readings.stored} | {u.task for u in readings.unusable})
    if not names:
        raise MissingData(
            f"{results if isinstance(results, Path) else 'The folder'} holds no results. "
            "Make some: affectbench run TASK --system SYSTEM"
        )
    boards = []
    for name in names:
        mine = readings.of_task(name)
        blind = any(one.score("test", one.summary["metric"]) is None for one in mine.stored)
        parts: list[Part] = ["dev" if blind else "test"]
        task = TASKS.get(name)
        boards.append(
            _board(task, mine, parts, scoring, published=False) if task else _as_stored(name, mine)
        )
    return tuple(boards)


def _board(
    task: Task,
    readings: Readings,
    parts: Sequence[Part],
    scoring: Scoring | None,
    *,
    published: bool = True,
) -> Board:
    """The board of a known task."""
    metric = task.metric.key
    numbers, apart, outputs = printed.rows(task) if published else ([], [], 0)
    groups: list[Group] = []
    for part in parts:
        mine = {
            name: one
            for name, one in zip(own.names(readings.stored), readings.stored, strict=True)
            if one.score(part, metric) is not None
        }
        groups += _part(task, part, [row for row in numbers if row.split == part], mine, scoring)
    order = [*parts, "unknown"]
    rows = sorted((r for r in apart if r.split in order), key=lambda r: order.index(r.split))
    rows += [own.unusable_row(one, metric) for one in readings.unusable]
    if rows:
        groups.append(_group(APART, "", rows, ranked=False, remarks=_scales(task, rows)))
    ranked = dict.fromkeys(group.part for group in groups if group.ranked)
    where = f", ranked on {' and '.join(ranked)}" if ranked else ""
    remarks = [f"{metric}{where}: {task.metric.about}."]
    remarks += _of_published(task, [row for row in numbers if row.split in parts])
    if outputs:
        remarks.append(f"{outputs:,} published numbers of single outputs are not shown.")
    return Board(
        task=task.name,
        title=task.title,
        metric=metric,
        groups=tuple(_unlike(groups)),
        remarks=(*remarks, *_of_own(readings)),
    )


def _as_stored(name: str, readings: Readings) -> Board:
    """The board of a task that is not known here: ranked by data, never compared."""
    metrics = sorted({one.summary["metric"] for one in readings.stored})
    groups = []
    labels = own.names(readings.stored)
    for metric in metrics:
        for part in PARTS:
            found = {
                label: one
                for label, one in zip(labels, readings.stored, strict=True)
                if one.summary["metric"] == metric and one.score(part, metric)
            }
            for (digest, _), some in _by_data(found, part, metric).items():
                rows = _own_rows(some, part, metric)
                up = metric not in METRICS or METRICS[metric].high > METRICS[metric].low
                title = f"{part.title()}, {metric}"
                groups.append(_group(title, part, _placed(rows, higher=up), data=digest))
    if readings.unusable:
        rows = [own.unusable_row(one, "") for one in readings.unusable]
        groups.append(_group(APART, "", rows, ranked=False))
    note = f"{name} is no task of this package: its scores are shown as they are stored."
    return Board(
        task=clean(name),
        title="",
        metric=", ".join(metrics),
        groups=tuple(_unlike(groups)),
        remarks=(clean(note), *_of_own(readings)),
    )


def _part(
    task: Task,
    part: Part,
    numbers: Sequence[Row],
    found: Mapping[str, Stored],
    scoring: Scoring | None,
) -> list[Group]:
    """The released clips first, then a group for each other data."""
    why = {name: own.other_data(one, task, part) for name, one in found.items()}
    released = {name: one for name, one in found.items() if not why[name]}
    groups = []
    if numbers or released:
        rows, remarks = _compared(released, task, part, scoring)
        rows = [_overlapped(number, rows) for number in numbers] + rows
        if any(row.overlaps for row in rows):
            remarks.append(OVERLAPS)
        rows = _placed(rows, higher=task.metric.high > task.metric.low)
        groups.append(_group(part.title(), part, rows, remarks=remarks))
    others = {name: one for name, one in found.items() if why[name]}
    for (digest, _), some in _by_data(others, part, task.metric.key).items():
        first, one = next(iter(some.items()))
        rows, remarks = _compared(some, task, part, scoring)
        about = ABOUT.get(one.result["data"].get("origin"), UNKNOWN)
        groups.append(
            _group(
                f"{part.title()}, {why[first]}",
                part,
                _placed(rows, higher=task.metric.high > task.metric.low),
                data=digest,
                ceiling=own.ceiling(one, task, part),
                remarks=[about, *remarks],
            )
        )
    return groups


def _compared(
    found: Mapping[str, Stored], task: Task, part: Part, scoring: Scoring | None
) -> tuple[list[Row], list[str]]:
    """Rows of own systems with the ranks that they may have, and how that was found."""
    if not found:
        return [], []
    metric = task.metric.key
    ranks, why_not = own.ranked_together(found, task, part, scoring)
    rows = [own.with_ranks(row, ranks.get(row.system)) for row in _own_rows(found, part, metric)]
    remarks = own.intervals_of(found, part, metric)
    if ranks:
        remarks.append(RANKS)
    return rows, [*remarks, why_not] if why_not else remarks


def _own_rows(found: Mapping[str, Stored], part: Part, metric: str) -> list[Row]:
    rows = (own.row(one, part, metric, name=name) for name, one in found.items())
    return [row for row in rows if row is not None]


def _by_data(
    found: Mapping[str, Stored], part: Part, metric: str
) -> dict[tuple[str, int], dict[str, Stored]]:
    """Systems of the same data and number of scored clips."""
    groups: dict[tuple[str, int], dict[str, Stored]] = {}
    for name, one in found.items():
        groups.setdefault(own.data_of(one, part, metric), {})[name] = one
    return groups


def _overlapped(number: Row, rows: Sequence[Row]) -> Row:
    """A published row with the own systems whose interval holds its value."""
    value = nan if number.value is None else number.value
    held = tuple(
        row.system
        for row in rows
        if row.low is not None and row.high is not None and row.low <= value <= row.high
    )
    return replace(number, overlaps=held)


def _placed(rows: Sequence[Row], *, higher: bool) -> list[Row]:
    """Rows in order, the best first, with their places; undefined ones last and without."""
    known = [row for row in rows if row.value is not None]
    values = sorted((row.value or 0.0 for row in known), reverse=higher)
    ordered = sorted(known, key=lambda row: values.index(row.value or 0.0))
    placed = [replace(row, place=1 + values.index(row.value or 0.0)) for row in ordered]
    return [*placed, *(row for row in rows if row.value is None)]


def _group(
    title: str,
    part: Literal["dev", "test", ""],
    rows: Sequence[Row],
    *,
    ranked: bool = True,
    data: str = "",
    ceiling: float | None = None,
    remarks: Sequence[str] = (),
) -> Group:
    return Group(
        title=title,
        part=part,
        ranked=ranked,
        rows=tuple(rows),
        data=data,
        ceiling=ceiling,
        remarks=tuple(remarks),
    )


def _unlike(groups: Sequence[Group]) -> list[Group]:
    """Groups of other data with one title get the begin of their digest."""
    titles = [group.title for group in groups]
    return [
        replace(group, title=f"{group.title}, data {group.data[:8]}")
        if group.data and titles.count(group.title) > 1
        else group
        for group in groups
    ]


def _scales(task: Task, rows: Sequence[Row]) -> list[str]:
    """What scales other than that of the task are."""
    others = dict.fromkeys(row.scale for row in rows if row.scale != task.metric.name)
    return [f"{scale}: {SCALES[scale]}." for scale in others]


def _of_published(task: Task, numbers: Sequence[Row]) -> list[str]:
    """What must be said of ranking published numbers beside ours."""
    readings = sorted({row.metric for row in numbers} - {task.metric.key})
    if not readings:
        return []
    unknown = f"{task.metric.name}.unknown"
    others = [reading for reading in readings if reading != unknown]
    told = " or ".join([*others, *(["of an unknown reading"] if unknown in readings else [])])
    if task.protocol == "generate":
        return [f"Published rows are {told}: {SCALES[task.metric.name]}."]
    return [
        f"Published rows are {told}. They stand beside {task.metric.key}, since at the size of the "
        "release the readings differ by less than the rounding."
    ]


def _of_own(readings: Readings) -> list[str]:
    """What must be said of stored results, each thing once."""
    notes = [note for one in readings.stored for note in one.summary["notes"]]
    told = ["An own system's value is the mean over its seeds."] if readings.stored else []
    told += [f"{c.folder} is a copy of {c.original}; it is counted once." for c in readings.copies]
    return list(dict.fromkeys(clean(text) for text in (*told, *notes)))

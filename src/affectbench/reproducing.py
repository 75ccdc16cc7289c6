"""A table of the paper made again: every row that has a recipe run, every cell beside its number.

``reproduction`` says which rows have a recipe; this file runs them in the mode that the recipe
names, and says of every cell whether the printed value lies in the measured interval, or why the
two cannot be compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from affectbench.board.own import ceiling, other_data
from affectbench.board.stored import Stored, read_system
from affectbench.errors import BadData, MissingData, MissingExtra, UnknownName
from affectbench.features.stand_ins import stand_in_of
from affectbench.fitting import personalises
from affectbench.protocols import fuse, run
from affectbench.published import PUBLISHED, Published
from affectbench.reproduction import PAPER, RECIPES, Coverage, coverage
from affectbench.scoring import Scoring
from affectbench.systems import SYSTEMS
from affectbench.tasks import TASKS
from affectbench.types import Progress, System, Task

Verdict = Literal["inside", "outside", "not compared", "not run"]
BLIND: Final = (
    "the labels of test were never released: the predictions are stored for the organiser to score"
)
NO_RECIPE: Final = "no system here is the recipe of the row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A printed number and what was measured for it."""

    table: str  # "Table 5"
    task: str
    system: str  # as published
    recipe: str  # the row of SYSTEMS, with its mode; "" where there is none
    part: str  # dev or test
    metric: str  # of the measured value: "spearman.official"
    output: str  # "" for the value over all outputs
    printed: str  # as printed
    expected: float | None  # None: nothing printed, or digits are lost
    status: str  # of the printed number: verified, reported, disputed, extraction-damaged
    note: str  # what is known of the printed number
    measured: float | None  # None: not run, or undefined
    low: float | None  # interval by group, of the level of the scoring
    high: float | None
    ceiling: float | None  # of a twin: the best that can be expected
    verdict: Verdict
    reason: str  # why it is not compared, or was not run


def tables() -> tuple[str, ...]:
    """``table5``, ...: the tables of the paper that are reproduced by name."""
    return tuple(dict.fromkeys(_key(row.table) for row in coverage()))


def task_of(table: str) -> str:
    """The first task of a table: all of its tasks are of one corpus.

    Raises:
        UnknownName: there is no such table.
    """
    found = [row.task for row in coverage() if _key(row.table) == _key(table)]
    if not found:
        raise UnknownName(f"No table is called '{table}'. There are: {', '.join(tables())}.")
    return found[0]


def reproduce(  # noqa: PLR0913 - the flags of the command line, each with its default
    table: str,
    *,
    data: str | Path,
    out: str | Path = "results",
    stand_ins: bool = False,
    scoring: Scoring | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    keep_going: bool = False,
    progress: Progress | None = None,
) -> tuple[Cell, ...]:
    """Run every row of a table that has a recipe, from raw audio to its numbers.

    Args:
        table: ``table5``, ``table6a``, ...; see ``tables``.
        data: folder of the corpus of the table.
        out: folder of results; what is stored there of the same inputs is not run again.
        stand_ins: use tiny random models in place of pretrained ones. They show that everything
            runs; their numbers mean nothing and are compared with nothing.
        scoring: how intervals are made.
        workers: processes.
        overwrite: replace results of other inputs.
        keep_going: go on without clips that cannot be used.
        progress: told of every stage.

    Returns:
        One ``Cell`` a printed number, in the order of the paper. A value is compared with its
        printed one where the data are the released clips, all of them, and the labels are there.

    Raises:
        UnknownName: there is no such table.
        MissingData, BadData, ResultConflict: as ``run``.
    """
    corpus = TASKS[task_of(table)].corpus
    rows = [row for row in coverage() if _key(row.table) == _key(table)]
    if not Path(data).is_dir():
        raise MissingData(f"{data} is not a folder. Expected {corpus.title}: {corpus.layout}.")

    def run_one(task: Task, system: System, mode: str) -> Path:
        if system.members:
            folders = [run_one(task, _ready(m, stand_ins), _mode(m, mode)) for m in members(system)]
            fused = results_label(system, mode)
            options: dict[str, Any] = {"out": out, "scoring": scoring, "overwrite": overwrite}
            return fuse(task, folders, name=fused, **options).folder
        return run(
            task,
            system,
            data=data,
            out=out,
            mode=_mode(system, mode),
            scoring=scoring,
            workers=workers,
            keep_going=keep_going,
            overwrite=overwrite,
            progress=progress,
        ).folder

    return tuple(cell for row in rows for cell in _row(row, stand_ins, run_one))


def members(system: System) -> list[System]:
    """The systems that a fusion is made of."""
    return [SYSTEMS[name] for name in system.members]


def results_label(system: System, mode: str) -> str:
    """Name of the folder of a fusion."""
    return system.name if mode == system.modes[0] else f"{system.name}-{mode}"


def _key(table: str) -> str:
    """``Table 6a`` and ``table6a`` alike."""
    return re.sub(r"[^0-9a-z]", "", table.lower())


def _mode(system: System, mode: str) -> str:
    return mode if mode in system.modes else system.modes[0]


def _ready(system: System, stand_ins: bool) -> System:
    """The system, with a random model in place of a pretrained one where that is asked for."""
    if system.members:
        name = f"{system.name}-stand-in" if stand_ins else system.name
        return replace(system, name=name)
    swapped = stand_in_of(system.features) if stand_ins else None
    if swapped is None:
        return system
    return replace(system, name=f"{system.name}-stand-in", features=swapped)


def _lacking(system: System, stand_ins: bool) -> str:
    """Why a system cannot be run here, "" where it can: a package or a pretrained model."""
    try:
        for one in members(system) or [system]:
            _ready(one, stand_ins).features.identity()
    except (MissingData, MissingExtra, BadData) as error:
        return str(error)
    return ""


def _row(
    row: Coverage, stand_ins: bool, run_one: Callable[[Task, System, str], Path]
) -> list[Cell]:
    """The cells of one row of the paper."""
    task = TASKS[row.task]
    printed = [
        cell
        for cell in PUBLISHED
        if cell.source == PAPER
        and (cell.table, cell.task, cell.system, cell.team)
        == (row.table, row.task, row.system, row.team)
    ]
    if not row.recipe:
        return [_cell(cell, "", NO_RECIPE) for cell in printed]
    system, mode = SYSTEMS[row.recipe], RECIPES[row.table, row.system][1]
    label = f"{row.recipe}, {mode}"
    why = _lacking(system, stand_ins)
    if why:
        return [_cell(cell, label, why) for cell in printed]
    found = read_system(run_one(task, _ready(system, stand_ins), mode))
    return [_measured(cell, label, task, system, found, stand_ins) for cell in printed]


def _cell(cell: Published, recipe: str, reason: str) -> Cell:
    """A cell for which nothing was run."""
    return Cell(
        table=cell.table,
        task=cell.task,
        system=cell.system,
        recipe=recipe,
        part=cell.split,
        metric=cell.key,
        output=cell.output,
        printed=cell.printed,
        expected=cell.value,
        status=cell.status,
        note=cell.note,
        measured=None,
        low=None,
        high=None,
        ceiling=None,
        verdict="not run",
        reason=reason,
    )


def _measured(
    cell: Published,
    recipe: str,
    task: Task,
    system: System,
    found: Stored,
    stand_ins: bool,
) -> Cell:
    """A cell with what the stored result says of it."""
    key, score = _score(cell, task, found.summary["scores"].get(cell.split, {}))
    value = None if score is None else score["value"]
    reason = _why_not(cell, task, system, found, stand_ins)
    if not reason and score is not None and (value is None or score["low"] is None):
        reason = "no interval: there are too few groups to resample, or the value is undefined"
    verdict: Verdict = "not compared"
    if not reason and score is not None and cell.value is not None:
        verdict = "inside" if score["low"] <= cell.value <= score["high"] else "outside"
    whole = not cell.output and key == task.metric.key
    return replace(
        _cell(cell, recipe, reason),
        metric=key,
        measured=value,
        low=None if score is None else score["low"],
        high=None if score is None else score["high"],
        ceiling=ceiling(found, task, cell.split) if whole or _same_scale(key, task) else None,
        verdict=verdict,
    )


def _same_scale(key: str, task: Task) -> bool:
    """Whether a reading is one of the ranking metric's own measure."""
    return key.split(".", maxsplit=1)[0] == task.metric.name


def _why_not(cell: Published, task: Task, system: System, found: Stored, stand_ins: bool) -> str:
    """Why the printed value cannot be held against the measured one; "" where it can."""
    if stand_ins and any(stand_in_of(one.features) for one in members(system) or [system]):
        return "a tiny stand-in takes the place of the network that makes the features"
    other = other_data(found, task, cell.split)
    if other:
        return f"{other}, not the released clips"
    if cell.split not in found.summary["scores"]:
        return BLIND
    if cell.value is None:
        return f"printed as '{cell.printed}': {cell.note}"
    if personalises(task, system):
        return "the printed value is of the published evaluator, which scores other clips"
    return ""


def _score(
    cell: Published, task: Task, scores: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any] | None]:
    """The stored reading that a cell is compared with: its own, or of the same measure."""
    readings: dict[str, Mapping[str, Any]] = dict(scores)
    if task.metric.parts:
        for key in _by_preference(scores):
            readings |= scores[key].get("outputs", {})
    of_kind = [key for key in _by_preference(readings) if key.split(".")[0] == cell.metric]
    key = cell.key if cell.key in readings else next(iter(of_kind), cell.key)
    score = readings.get(key)
    if score is not None and cell.output:
        score = score.get("outputs", {}).get(cell.output)
    return key, score


def _by_preference(keys: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Official readings first: a printed number of unknown reading was most likely one of them."""
    return sorted(keys, key=lambda key: not key.endswith((".official", ".union")))


def failed(cells: Sequence[Cell]) -> list[Cell]:
    """The cells whose printed value lies outside the measured interval."""
    return [cell for cell in cells if cell.verdict == "outside"]

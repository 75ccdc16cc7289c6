"""What the pages are made of: boards, stored results, and the folders of data behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from affectbench import splits
from affectbench.board import Board, Group, of_folder, of_task
from affectbench.board.own import names as names_of
from affectbench.board.stored import Readings, Stored, read
from affectbench.board.wording import clean
from affectbench.corpora import CORPORA
from affectbench.errors import AffectBenchError, MissingData
from affectbench.provenance import label_digest
from affectbench.provenance import origin as origin_of
from affectbench.tasks import TASKS
from affectbench.types import Corpus, Task

ORIGINS: Final[Mapping[str, str]] = {"twin": "synthetic twin", "corpus": "corpus"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """One body of recordings that results are of, and where it still lies."""

    corpus: str  # name
    samples: str  # digest of all prepared samples
    origin: str  # "twin", "corpus"; "" where the result does not say
    root: Path | None  # None: gone, or no longer with these labels
    clips: pl.DataFrame | None  # read again from ``root``
    recorded: Mapping[str, Any]  # ``data`` of a result

    @property
    def known(self) -> Corpus | None:
        """The row of ``CORPORA``; None for a corpus of the user's own."""
        return CORPORA.get(self.corpus)

    @property
    def free(self) -> bool:
        """Whether single clips may be shown: they are synthetic, or anybody may download them."""
        return self.origin == "twin" or (self.known is not None and self.known.access == "open")

    @property
    def title(self) -> str:
        """``hume-vocalburst, synthetic twin``."""
        return f"{self.corpus}, {ORIGINS.get(self.origin, 'origin unknown')}"


@dataclass(frozen=True, kw_only=True)
class Detail:
    """Systems of one task on one part of the same data, the best first."""

    task: Task
    group: Group
    part: str
    systems: Mapping[str, Stored]
    data: Data

    @property
    def metric(self) -> str:
        """Key of the metric that ranks."""
        return self.task.metric.key

    @property
    def best(self) -> tuple[str, Stored]:
        """Name and results of the system with the highest place."""
        return next(iter(self.systems.items()))


@dataclass(frozen=True, kw_only=True)
class TaskEvidence:
    """All that is known of a task with results or published numbers."""

    name: str
    task: Task | None  # None: a task of the user's own, known by its results alone
    board: Board
    systems: Mapping[str, Stored]  # by the name that the board shows
    data: Mapping[str, Data]  # system -> its data

    @cached_property
    def details(self) -> tuple[Detail, ...]:
        """For each data the part that counts: test where it is scored, else dev."""
        if self.task is None:
            return ()
        found: dict[str, Detail] = {}
        for group in self.board.groups:
            if not group.ranked:
                continue
            mine = {r.system: self.systems[r.system] for r in group.rows if r.kind == "own"}
            if not mine:
                continue
            data = self.data[next(iter(mine))]
            found.setdefault(
                group.data,
                Detail(task=self.task, group=group, part=group.part, systems=mine, data=data),
            )
        return tuple(found.values())


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a site tells."""

    results: Path
    tasks: tuple[TaskEvidence, ...]  # those with results: known ones in the order of TASKS
    published: Mapping[str, Board]  # the other tasks, without results
    data: tuple[Data, ...]

    @property
    def roots(self) -> dict[str, str]:
        """Folders of this machine that no page may name -> what stands for them."""
        systems = [one for task in self.tasks for one in task.systems.values()]
        data = {str(run["data"]) for one in systems for run in one.runs if run.get("data")}
        return {**dict.fromkeys(data, "DATA"), str(self.results): "RESULTS"}


def gather(results: Path) -> Evidence:
    """Read a folder of results and the data behind them.

    Raises:
        MissingData: the folder is not there, or holds no results.
    """
    results = results.resolve()
    readings = read(results, TASKS)
    found = {s.task for s in readings.stored} | {u.task for u in readings.unusable}
    if not found:
        raise MissingData(
            f"{results} holds no results. Make some: affectbench run TASK --system SYSTEM"
        )
    data = _data(readings.stored)
    order = [*(name for name in TASKS if name in found), *sorted(found - set(TASKS))]
    boards = {name: of_task(TASKS[name], results=results) for name in order if name in TASKS}
    if found - set(TASKS):
        boards |= {b.task: b for b in of_folder(results) if b.task not in TASKS}
    return Evidence(
        results=results,
        tasks=tuple(_task(name, boards[name], readings, data) for name in order),
        published={name: of_task(task) for name, task in TASKS.items() if name not in order},
        data=tuple(data.values()),
    )


def _task(
    name: str, board: Board, readings: Readings, data: Mapping[tuple[str, str], Data]
) -> TaskEvidence:
    mine = [one for one in readings.stored if one.task == name]
    systems = dict(zip(map(clean, names_of(mine)), mine, strict=True))
    return TaskEvidence(
        name=name,
        task=TASKS.get(name),
        board=board,
        systems=systems,
        data={label: data[_key(one)] for label, one in systems.items()},
    )


def _key(one: Stored) -> tuple[str, str]:
    return one.result["data"]["corpus"], one.result["data"]["samples"]


def _data(stored: Iterable[Stored]) -> dict[tuple[str, str], Data]:
    """The data of all results, each once, with the first folder that still holds it."""
    found: dict[tuple[str, str], Data] = {}
    for one in stored:
        key = _key(one)
        if key not in found or found[key].root is None:
            found[key] = _found(one)
    return found


def _found(one: Stored) -> Data:
    recorded = one.result["data"]
    task = TASKS.get(one.task)
    origin = recorded.get("origin", "")
    root, clips = None, None
    for name in dict.fromkeys(run.get("data") for run in one.runs):
        if task and isinstance(name, str) and root is None:
            clips = _read_again(task, Path(name), recorded["labels"])
            root = None if clips is None else Path(name)
    if root is not None and origin_of(root) != origin:
        root, clips = None, None
    return Data(
        corpus=recorded["corpus"],
        samples=recorded["samples"],
        origin=origin,
        root=root,
        clips=clips,
        recorded=recorded,
    )


def _read_again(task: Task, root: Path, labels: str) -> pl.DataFrame | None:
    """The clips of a folder, if they still have these labels."""
    try:
        clips = splits.apply(task.split, task.corpus.read(root).clips)
    except (OSError, AffectBenchError):
        return None
    return clips if label_digest(task, clips) == labels else None

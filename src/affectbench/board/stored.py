"""Stored results as a board takes them: read, checked, and each run counted once."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import isclose, isnan
from pathlib import Path
from typing import Any, Final

import polars as pl

from affectbench import results
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict, listing
from affectbench.intervals.given import shaped
from affectbench.scoring import SCORED_PARTS, arrays, scorable
from affectbench.types import Task

NEEDED: Final = ("task", "system", "data", "inputs", "seed", "model", "predictions", "notes")
FIELDS: Final = (
    *("task.name", "task.version", "task.targets", "system.label", "system.name", "system.mode"),
    *("data.clips", "data.samples", "data.labels", "data.split.hash"),
    *(f"data.parts.{part}.clips" for part in SCORED_PARTS),
)
SAME: Final = 1e-6  # what a sum may differ by from machine to machine


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """A system of a results folder, all its seeds, as scored."""

    folder: Path
    task: str
    label: str
    seeds: Mapping[int, Mapping[str, Any]]  # seed -> result.json
    runs: tuple[Mapping[str, Any], ...]  # run.json of each seed; empty where it cannot be read
    tables: Mapping[str, tuple[pl.DataFrame, ...]]  # part -> schema.PREDICTIONS of each seed
    summary: Mapping[str, Any]  # summary.json

    @property
    def result(self) -> Mapping[str, Any]:
        """``result.json`` of the first seed: data and settings are those of all."""
        return next(iter(self.seeds.values()))

    def score(self, part: str, metric: str) -> Mapping[str, Any] | None:
        """The stored score of a metric; None where the part is blind."""
        found: Mapping[str, Any] | None = self.summary["scores"].get(part, {}).get(metric)
        return found


@dataclass(frozen=True, slots=True)
class Unusable:
    """A result that cannot be trusted, and what to do about it."""

    folder: Path
    task: str
    label: str
    why: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A result that is a copy of another, and is not counted again."""

    folder: Path
    task: str
    original: Path


@dataclass(frozen=True, slots=True)
class Readings:
    """What a folder of results holds."""

    stored: tuple[Stored, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    copies: tuple[Copy, ...] = ()

    def of_task(self, name: str) -> Readings:
        """Those of one task."""
        return Readings(
            tuple(one for one in self.stored if one.task == name),
            tuple(one for one in self.unusable if one.task == name),
            tuple(one for one in self.copies if one.task == name),
        )


def read(out: Path, tasks: Mapping[str, Task], only: str | None = None) -> Readings:
    """All systems at or below a folder of results, by path.

    Args:
        out: the folder.
        tasks: what is known of tasks, by name. The scores of a task that is not among them are
            taken as they are stored.
        only: the name of a task; results of others are passed over.

    Raises:
        MissingData: it is no folder.
    """
    if not out.is_dir():
        raise MissingData(f"{out} is not a folder. Expected a folder of results: affectbench run")
    stored: list[Stored] = []
    unusable: list[Unusable] = []
    for folder in results.system_folders(out):
        name, label = _claim(folder)
        if only not in (None, name):
            continue
        try:
            found = read_system(folder)
            if found.task in tasks:
                check_scores(found, tasks[found.task])
            stored.append(found)
        except AffectBenchError as error:
            unusable.append(Unusable(folder, name, label, str(error)))
    kept, doubled, copies = count_once(stored)
    return Readings(tuple(kept), (*unusable, *doubled), tuple(copies))


def read_system(folder: Path) -> Stored:
    """One system with all its seeds.

    Raises:
        AffectBenchError: a file is missing, damaged, of another version or not what it claims.
    """
    paths = results.seed_folders(folder)
    try:
        seeds = [_seed(path) for path in paths]
        first = seeds[0][0]
        if any(result["inputs"] != first["inputs"] for result, _ in seeds):
            raise ResultConflict(
                f"{folder}: its seeds were computed from different data or settings. Run all of "
                "them again with --overwrite."
            )
        return Stored(
            folder=folder,
            task=first["task"]["name"],
            label=first["system"]["label"],
            seeds={result["seed"]: result for result, _ in seeds},
            runs=tuple(_run(path) for path in paths),
            tables={
                part: tuple(tables[part] for _, tables in seeds) for part in first["predictions"]
            },
            summary=_summary(folder, [result for result, _ in seeds]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BadData(
            f"{folder} does not have the fields that this version writes ({error!r}). Run again "
            "with --overwrite."
        ) from error


def _claim(folder: Path) -> tuple[str, str]:
    """Task and system that a folder says it is of; by its path where it does not say."""
    for path in sorted(folder.glob("seed*/result.json")):
        try:
            told = _json(path)
            return str(told["task"]["name"]), str(told["system"]["label"])
        except (AffectBenchError, KeyError, TypeError):
            continue
    return folder.parent.name, folder.name


def _json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        MissingData: it is not there, or is none.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MissingData(
            f"{path} cannot be read ({error}). Run again with --overwrite."
        ) from error
    if not isinstance(told, dict):
        raise MissingData(f"{path} is no JSON object. Run again with --overwrite.")
    return told


def _seed(folder: Path) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """``result.json`` and predictions of a seed, checked against each other and the folder."""
    told = _json(folder / "result.json")
    if told.get("schema") != results.SCHEMA or set(NEEDED) - set(told):
        raise BadData(
            f"{folder} was written by another version of affectbench. Run again with --overwrite, "
            "or read it with that version."
        )
    for field in FIELDS:
        _ = reduce(lambda value, key: value[key], field.split("."), told)
    if f"seed{told['seed']}" != folder.name:
        raise ResultConflict(
            f"{folder} claims to be seed {told['seed']}: two results claim the same run. Remove "
            "the copy."
        )
    return results.read_seed(folder)


def _run(folder: Path) -> dict[str, Any]:
    """``run.json``, which tells times and no scores: what cannot be read is not known."""
    try:
        return _json(folder / "run.json")
    except MissingData:
        return {}


def _summary(folder: Path, seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``summary.json``, of exactly these seeds."""
    again = again_command(folder)
    path = folder / "summary.json"
    if not path.is_file():
        raise MissingData(f"{folder} has no summary.json. Score it: {again}")
    try:
        summary = _json(path)
    except MissingData as error:
        raise MissingData(f"{path} cannot be read. Score it again: {again}") from error
    mine = ([result["seed"] for result in seeds], seeds[0]["inputs"], seeds[0]["task"]["name"])
    try:
        of = (summary["seeds"], summary["inputs"], summary["task"])
        _ = (summary["metric"], summary["scoring"]["group_by"], [*summary["notes"]])
        known = all(_is_score(s) for part in summary["scores"].values() for s in part.values())
        known = known and all(isinstance(n, int) for n in summary["unscored"].values())
    except (KeyError, TypeError, AttributeError):
        known = False
    if not known:
        raise MissingData(f"{path} lacks fields that this version writes. Score it again: {again}")
    if of != mine:
        raise ResultConflict(f"{path} is of other seeds or runs. Score it again: {again}")
    return summary


def _is_score(score: Any) -> bool:
    """Whether it has a value and an interval; None where they are undefined."""
    return all(
        score[name] is None or isinstance(score[name], int | float)
        for name in ("value", "low", "high")
    )


def again_command(folder: Path) -> str:
    """The command that scores a system again, from its predictions."""
    return f"affectbench score {shlex.quote(str(folder))}"


def check_scores(found: Stored, task: Task) -> None:
    """The stored scores must be those of the stored predictions, by this version of the task.

    Raises:
        ResultConflict: they are of another version of the task, or other scores.
        BadData: the predictions lack columns, or the seeds are of different clips.
    """
    version = found.result["task"]["version"]
    if version != task.version:
        raise ResultConflict(
            f"{found.folder} is of version {version} of {task.name}; this is version "
            f"{task.version}. Run again with --overwrite."
        )
    again = again_command(found.folder)
    for part in SCORED_PARTS:
        value = measure(found.tables.get(part, ()), task)
        score = found.score(part, task.metric.key)
        told = None if score is None else float("nan") if score["value"] is None else score["value"]
        if not _same(value, told):
            raise ResultConflict(
                f"{found.folder}: {task.metric.key} on {part} is not that of its predictions: it "
                f"was scored by an older version, or before labels were added. Score again: {again}"
            )


def _same(one: float | None, two: float | None) -> bool:
    """Equal up to rounding; None is equal to None and NaN to NaN."""
    if one is None or two is None:
        return one is two
    return (isnan(one) and isnan(two)) or isclose(one, two, rel_tol=0, abs_tol=SAME)


def measure(tables: Sequence[pl.DataFrame], task: Task) -> float | None:
    """The metric that ranks, mean over seeds; NaN where undefined, None where a part is blind.

    Raises:
        BadData: columns are missing, or the seeds are of different clips.
    """
    if not tables:
        return None
    columns = {f"{kind}.{column}" for kind in ("truth", "prediction") for column in task.columns}
    columns.add("clip")
    lacking = {column for table in tables for column in columns.difference(table.columns)}
    if lacking:
        raise BadData(
            f"{task.name}: predictions without {listing(sorted(lacking))}. Run again with "
            "--overwrite."
        )
    kept = [scorable(table, task) for table in tables]
    if any(not table["clip"].equals(kept[0]["clip"]) for table in kept):
        raise BadData(
            f"{task.name}: the seeds of one system predict different clips. Run again with "
            "--overwrite."
        )
    if not len(kept[0]):
        return None
    truth, predictions, outputs = arrays(kept, task.metric, task.targets)
    true, seeds, _ = shaped(task.metric, truth, predictions, outputs)
    values = [float(task.metric.combine(task.metric.compute(true, one, outputs))) for one in seeds]
    return sum(values) / len(values)


def count_once(stored: Sequence[Stored]) -> tuple[list[Stored], list[Unusable], list[Copy]]:
    """Every run once: copies are left out and told, contradicting results are all unusable.

    Two results claim the same run where task, system, data, settings and a seed are the same. A
    copy has no seed that the other lacks, and the same predictions.
    """
    kept: list[Stored] = []
    refused: dict[Path, Unusable] = {}
    copies = []
    for one in sorted(stored, key=lambda s: (-len(s.seeds), s.folder)):
        rivals = [other for other in kept if _claims_same(one, other)]
        whole = next((other for other in rivals if _copies(one, other)), None)
        if whole:
            copies.append(Copy(one.folder, one.task, whole.folder))
            continue
        kept.append(one)
        for other in rivals:
            why = (
                f"{other.folder} and {one.folder} claim the same run, and neither is a copy of the "
                "other. Remove one of them; a system with other code needs another name."
            )
            for each in (one, other):
                refused[each.folder] = Unusable(each.folder, each.task, each.label, why)
    counted = {one.folder for one in kept} - set(refused)
    return [one for one in stored if one.folder in counted], list(refused.values()), copies


def _claims_same(one: Stored, other: Stored) -> bool:
    """Whether they are of one task, system, data and settings, and share a seed."""
    claims = [(s.task, s.label, s.result["inputs"]) for s in (one, other)]
    return claims[0] == claims[1] and not set(one.seeds).isdisjoint(other.seeds)


def _copies(one: Stored, whole: Stored) -> bool:
    """Whether the other has all seeds of the one, with the same predictions."""
    return all(
        seed in whole.seeds and result["predictions"] == whole.seeds[seed]["predictions"]
        for seed, result in one.seeds.items()
    )

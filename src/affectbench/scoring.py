"""Scores of stored predictions, with intervals: no model and no audio is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench import submission
from affectbench.errors import BadData, MissingData, ResultConflict, listing
from affectbench.intervals import (
    GroupReport,
    Intervals,
    age_bands,
    bootstrap,
    by_group,
    warn_few,
)
from affectbench.results import SCHEMA, data_digest, read_seed, seed_folders
from affectbench.schema import GROUPS
from affectbench.store import write_json
from affectbench.truth import predicted_parts, scored, with_truth
from affectbench.types import Metric, Score, Target, Task

SCORED_PARTS: Final = ("dev", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How scores get their intervals."""

    draws: int = 10_000
    level: float = 0.95
    seed: int = 0
    group_by: str | None = None  # None: the task's; "clip" has to be asked for by name
    method: str = "auto"  # see intervals.methods


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Scores of a stored result over all its seeds, or of a file of predictions."""

    folder: Path  # where it lies, or the file
    task: str
    system: str
    metric: str  # the one that ranks
    scores: Mapping[str, Mapping[str, Intervals]]  # part -> metric key -> intervals
    unscored: Mapping[str, int]  # part -> clips without a truth or a prediction
    notes: tuple[str, ...]  # plain sentences that belong beside the numbers

    @property
    def part(self) -> str:
        """The part that ranks: test where its labels are known, dev otherwise."""
        return next((part for part in ("test", "dev") if part in self.scores), "all")

    @property
    def score(self) -> Score:
        """The ranking metric on the ranking part."""
        return self.scores[self.part][self.metric].score

    def __str__(self) -> str:
        """One line: task, system, metric, part, value and interval."""
        score = self.score
        interval = f"[{score.low:.4f}, {score.high:.4f}] by {score.group_by}"
        return (
            f"{self.task} {self.system}: {self.metric} {score.value:.4f} on {self.part}, "
            f"{interval if score.groups else 'no interval'}"
        )


def score_system(folder: Path, task: Task, scoring: Scoring) -> Result:
    """Score all seeds of a system from their predictions and write ``summary.json``.

    The value is the mean of the seeds' scores; the interval resamples groups, the same draw for
    every seed.

    Raises:
        MissingData: there is no result in the folder.
        ResultConflict: the seeds differ in data or settings, or the task has another version.
    """
    seeds = [read_seed(path) for path in seed_folders(folder)]
    if not seeds:
        raise MissingData(f"{folder} holds no result. Expected seed<k>/result.json in it.")
    first = seeds[0][0]
    if any(result["inputs"] != first["inputs"] for result, _ in seeds):
        raise ResultConflict(
            f"{folder}: its seeds were computed from different data or settings. "
            "Run all of them again with --overwrite."
        )
    if first["task"]["version"] != task.version:
        raise ResultConflict(
            f"{folder} is of version {first['task']['version']} of {task.name}; this is version "
            f"{task.version}. Run again with --overwrite."
        )
    scores, unscored = score_parts([tables for _, tables in seeds], task, scoring)
    for path, (result, tables) in zip(seed_folders(folder), seeds, strict=True):
        own = scores if len(seeds) == 1 else score_parts([tables], task, scoring)[0]
        write_json(path / "result.json", {**result, "scores": scores_json(own, task)})
    scored = Result(
        folder=folder,
        task=task.name,
        system=first["system"]["label"],
        metric=task.metric.key,
        scores=scores,
        unscored=unscored,
        notes=(*first["notes"], *interval_notes(scores, scoring.group_by or task.group)),
    )
    summary = {
        **summary_json(scored, task, scoring),
        "seeds": [result["seed"] for result, _ in seeds],
        "inputs": first["inputs"],
        "data": data_digest(first["data"]),
    }
    write_json(folder / "summary.json", summary)
    return scored


def score_file(
    path: Path,
    task: Task,
    truth: pl.DataFrame,
    scoring: Scoring | None = None,
    *,
    part: str | None = None,
) -> Result:
    """Score a file of predictions from any tool, in the official format or one close to it.

    Args:
        path: the file; see ``submission.read`` for what is repaired and what is refused.
        task: what it predicts.
        truth: labels and groups, from ``truth.read_truth``.
        scoring: how intervals are made.
        part: train, dev or test; None for the parts that its clips belong to.

    Raises:
        Refused: the file cannot be scored; with every problem.
        BadData: none of its clips is among the labels, or support clips are not known.
    """
    tables, notes = read_predictions(path, task, truth, part)
    return score_predictions(path, tables, notes, task, scoring or Scoring())


def score_predictions(
    path: Path,
    tables: Mapping[str, pl.DataFrame],
    notes: Sequence[str],
    task: Task,
    scoring: Scoring,
) -> Result:
    """``score_file`` of what ``read_predictions`` gave."""
    scores = {name: score_tables([table], task, scoring)[0] for name, table in tables.items()}
    return Result(
        folder=path,
        task=task.name,
        system=path.stem,
        metric=task.metric.key,
        scores=scores,
        unscored={},
        notes=(*notes, *interval_notes(scores, scoring.group_by or task.group)),
    )


def read_predictions(
    path: Path, task: Task, truth: pl.DataFrame, part: str | None = None
) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """A file of predictions beside its labels, ``schema.PREDICTIONS`` by part, and what to tell.

    Raises:
        Refused, BadData: as ``score_file``.
    """
    given = submission.read(path, task).table["clip"]
    parts = [part] if part else predicted_parts(truth, given.to_list())
    rows = {name: scored(truth, task, name) for name in parts}
    expected = [clip for table in rows.values() for clip in table["clip"]]
    if not expected:
        raise BadData(
            f"{path}: none of its {len(given):,} clips is among the labels, which begin with "
            f"{listing(truth['clip'].sort().to_list(), 3)}. Are they of one corpus?"
        )
    support = []
    if "support" in truth.columns:
        known = truth.filter(pl.col("support").fill_null(False))["clip"]
        support = given.filter(given.is_in(known.to_list())).to_list()
    handed = submission.read(path, task, expected=[*expected, *support])
    notes = [repair.sentence for repair in handed.repairs] + list(handed.notes)
    if support:
        notes.append(f"{len(support):,} support clips were predicted; they are not scored.")
    tables = {name or "all": with_truth(handed.table, table, task) for name, table in rows.items()}
    return tables, notes


def summary_json(result: Result, task: Task, scoring: Scoring) -> dict[str, Any]:
    """A result as JSON: what was measured, how, and all scores."""
    return {
        "schema": SCHEMA,
        "task": result.task,
        "system": result.system,
        "metric": result.metric,
        "part": result.part,
        "scoring": asdict(scoring),
        "scores": scores_json(result.scores, task),
        "unscored": dict(result.unscored),
        "notes": list(result.notes),
    }


def score_parts(
    seeds: list[dict[str, pl.DataFrame]], task: Task, scoring: Scoring
) -> tuple[dict[str, dict[str, Intervals]], dict[str, int]]:
    """``score_tables`` for dev and test: scores of the parts that are not blind, clips left out."""
    scores: dict[str, dict[str, Intervals]] = {}
    unscored: dict[str, int] = {}
    for part in SCORED_PARTS:
        found, unscored[part] = score_tables([tables[part] for tables in seeds], task, scoring)
        if found:
            scores[part] = found
    return scores, unscored


def score_tables(
    tables: list[pl.DataFrame], task: Task, scoring: Scoring
) -> tuple[dict[str, Intervals], int]:
    """Every metric of the task on the predictions of one part, one table a seed.

    Returns:
        Intervals by metric key (empty where the part is blind), and how many clips were not scored.

    Raises:
        BadData: the seeds do not predict the same clips.
    """
    kept = [scorable(table, task) for table in tables]
    first = kept[0]
    if any(not table["clip"].equals(first["clip"]) for table in kept):
        raise BadData(f"{task.name}: the seeds of one system predict different clips.")
    unscored = len(tables[0]) - len(first)
    if not len(first):
        return {}, unscored
    group_by = scoring.group_by or task.group
    groups = groups_of(first, group_by)
    scores = {}
    for metric, targets in measured(task):
        truth, predictions, outputs = arrays(kept, metric, targets)
        scores[metric.key] = bootstrap(
            metric,
            truth,
            predictions,
            groups,
            outputs=outputs,
            draws=scoring.draws,
            level=scoring.level,
            seed=scoring.seed,
            group_by=group_by,
            method=scoring.method,
        )
    return scores, unscored


def group_reports(
    tables: Sequence[pl.DataFrame], task: Task, scoring: Scoring
) -> dict[str, GroupReport]:
    """The ranking metric by country, sex, age band, role and speaker, as far as they are known.

    Args:
        tables: of one part, one a seed.
        task: names the metric.
        scoring: level and seed; what it resamples is the unit of the groups.
    """
    kept = [scorable(table, task) for table in tables]
    first = kept[0]
    unit = scoring.group_by or task.group
    units = groups_of(first, unit)
    truth, predictions, outputs = arrays(kept, task.metric, task.targets)
    found = {}
    for column in GROUPS:
        labels = groups_of(first, column)
        if column == "age":
            labels = age_bands(labels)
        if column == task.group == "seed" or len(set(labels) - {None}) < 2:
            continue
        found[column] = by_group(
            task.metric,
            truth,
            predictions,
            labels,
            units,
            outputs=outputs,
            draws=scoring.draws,
            level=scoring.level,
            seed=scoring.seed,
            unit=unit,
        )
    return found


def measured(task: Task) -> list[tuple[Metric, tuple[Target, ...]]]:
    """Every metric of a task with the targets that it takes; of a composite its parts as well."""
    found: dict[str, tuple[Metric, tuple[Target, ...]]] = {}
    for metric in (task.metric, *task.also):
        found[metric.key] = (metric, task.targets)
    for metric in (task.metric, *task.also):
        for part, target in zip(metric.parts, task.targets, strict=bool(metric.parts)):
            found.setdefault(part.key, (part, (target,)))
    return list(found.values())


def scorable(table: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Rows with a truth and a prediction for some column of every target."""
    known = [
        pl.any_horizontal(
            pl.col(f"truth.{column}").is_not_null() & pl.col(f"prediction.{column}").is_not_null()
            for column in target.columns
        )
        for target in task.targets
    ]
    return table.filter(pl.all_horizontal(known))


def groups_of(table: pl.DataFrame, group_by: str) -> list[Any]:
    """The group of each clip; None where it is not known."""
    return table[group_by].to_list() if group_by in table.columns else [None] * len(table)


def arrays(
    tables: Sequence[pl.DataFrame], metric: Metric, targets: Sequence[Target]
) -> tuple[Any, Any, Any]:
    """Truth, predictions with the seeds in front, and outputs, as ``bootstrap`` takes them."""
    truth = tuple(_array(tables[0], target, "truth") for target in targets)
    predictions = tuple(
        np.stack([_array(table, target, "prediction") for table in tables]) for target in targets
    )
    outputs = tuple(target.outputs for target in targets)
    if metric.kind == "composite":
        return truth, predictions, outputs
    return truth[0], predictions[0], outputs[0]


def _array(table: pl.DataFrame, target: Target, kind: str) -> NDArray[Any]:
    """[N, C] floats or [N] class indices of the ``truth`` or ``prediction`` columns."""
    columns = [f"{kind}.{column}" for column in target.columns]
    if target.kind == "regression":
        return table.select(pl.col(columns).fill_null(np.nan)).to_numpy().astype(np.float64)
    codes = {name: i for i, name in enumerate(target.classes)}
    unknown = sorted(set(table[columns[0]].drop_nulls()) - set(codes))
    if unknown:
        raise BadData(
            f"{columns[0]} holds {listing(unknown)}; expected {listing(target.classes, 50)}."
        )
    return table[columns[0]].replace_strict(codes, return_dtype=pl.Int64).to_numpy()


def output_names(metric: Metric, targets: Sequence[Target]) -> tuple[str, ...]:
    """What the outputs of a metric are called: columns, classes, or the parts of a composite."""
    if metric.parts:
        return tuple(part.key for part in metric.parts)
    return targets[0].classes or targets[0].columns


def interval_notes(scores: Mapping[str, Mapping[str, Intervals]], group_by: str) -> list[str]:
    """A sentence each about few groups, undefined draws and unknown groups."""
    told = []
    for part, metrics in scores.items():
        score = next(iter(metrics.values())).score
        warning = warn_few(score)
        if warning:
            told.append(f"{part}: {warning}")
        if score.undefined:
            told.append(f"{part}: {score.undefined:,} of {score.draws:,} draws were undefined.")
        if not score.groups:
            told.append(
                f"{part}: no interval, since the {group_by}s are unknown. --interval clip "
                f"resamples clips: too narrow where a {group_by} has several."
            )
    return told


def scores_json(scores: Mapping[str, Mapping[str, Intervals]], task: Task) -> dict[str, Any]:
    """Scores as JSON: part, metric key, then the score, one per output and one per seed."""
    names = {metric.key: output_names(metric, targets) for metric, targets in measured(task)}
    return {
        part: {
            key: {
                **asdict(found.score),
                "outputs": {
                    name: asdict(score)
                    for name, score in zip(names[key], found.per_output, strict=True)
                },
                "seeds": list(found.per_seed),
            }
            for key, found in metrics.items()
        }
        for part, metrics in scores.items()
    }

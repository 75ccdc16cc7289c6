"""Scores of stored predictions, with intervals: no model and no audio is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.errors import BadData, MissingData, ResultConflict, listing
from affectbench.intervals import Intervals, bootstrap, warn_few
from affectbench.results import SCHEMA, data_digest, read_seed, seed_folders
from affectbench.store import write_json
from affectbench.types import Score, Target, Task

SCORED_PARTS: Final = ("dev", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How scores get their intervals."""

    draws: int = 10_000
    level: float = 0.95
    seed: int = 0
    group_by: str = "speaker"  # or "clip", which a user has to ask for by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A stored result: where it lies, and its scores over all seeds."""

    folder: Path
    task: str
    system: str
    metric: str  # the one that ranks
    scores: Mapping[str, Mapping[str, Intervals]]  # part -> metric key -> intervals
    unscored: Mapping[str, int]  # part -> clips without a truth or a prediction
    notes: tuple[str, ...]  # plain sentences that belong beside the numbers

    @property
    def part(self) -> str:
        """The part that ranks: test where its labels are known, dev otherwise."""
        return "test" if "test" in self.scores else "dev"

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
        write_json(path / "result.json", {**result, "scores": scores_json(own, task.target)})
    scored = Result(
        folder=folder,
        task=task.name,
        system=first["system"]["label"],
        metric=task.metric.key,
        scores=scores,
        unscored=unscored,
        notes=(*first["notes"], *interval_notes(scores)),
    )
    summary = {
        "schema": SCHEMA,
        "task": scored.task,
        "system": scored.system,
        "seeds": [result["seed"] for result, _ in seeds],
        "inputs": first["inputs"],
        "data": data_digest(first["data"]),
        "metric": scored.metric,
        "part": scored.part,
        "scoring": asdict(scoring),
        "scores": scores_json(scores, task.target),
        "unscored": unscored,
        "notes": list(scored.notes),
    }
    write_json(folder / "summary.json", summary)
    return scored


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
    kept = [scorable(table, task.target) for table in tables]
    first = kept[0]
    if any(not table["clip"].equals(first["clip"]) for table in kept):
        raise BadData(f"{task.name}: the seeds of one system predict different clips.")
    unscored = len(tables[0]) - len(first)
    if not len(first):
        return {}, unscored
    truth = _arrays(first, task.target, "truth")
    stacked = np.stack([_arrays(table, task.target, "prediction") for table in kept])
    groups = (
        first["speaker"].to_list() if scoring.group_by == "speaker" else first["clip"].to_list()
    )
    scores = {
        metric.key: bootstrap(
            metric,
            truth,
            stacked,
            groups,
            outputs=task.target.outputs,
            draws=scoring.draws,
            level=scoring.level,
            seed=scoring.seed,
            group_by=scoring.group_by,
        )
        for metric in (task.metric, *task.also)
    }
    return scores, unscored


def scorable(table: pl.DataFrame, target: Target) -> pl.DataFrame:
    """Rows with a truth and a prediction for some column of the target."""
    known = [
        pl.col(f"truth.{column}").is_not_null() & pl.col(f"prediction.{column}").is_not_null()
        for column in target.columns
    ]
    return table.filter(pl.any_horizontal(known))


def _arrays(table: pl.DataFrame, target: Target, kind: str) -> NDArray[Any]:
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


def interval_notes(scores: Mapping[str, Mapping[str, Intervals]]) -> list[str]:
    """A sentence each about few groups, undefined draws and unknown speakers."""
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
                f"{part}: no interval, since speakers are unknown. --interval clip resamples "
                "clips: too narrow where speakers gave several."
            )
    return told


def scores_json(scores: Mapping[str, Mapping[str, Intervals]], target: Target) -> dict[str, Any]:
    """Scores as JSON: part, metric key, then the score, one per output and one per seed."""
    names = target.classes or target.columns
    return {
        part: {
            key: {
                **asdict(found.score),
                "outputs": {
                    name: asdict(score) for name, score in zip(names, found.per_output, strict=True)
                },
                "seeds": list(found.per_seed),
            }
            for key, found in metrics.items()
        }
        for part, metrics in scores.items()
    }

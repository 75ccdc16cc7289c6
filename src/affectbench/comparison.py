"""Systems on the same clips, from stored results or from files: which differences are real?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Final

import polars as pl

from affectbench import results
from affectbench.errors import AffectBenchError, BadData, MissingData, listing
from affectbench.intervals import Comparisons, Detectable, compare_all, smallest_detectable
from affectbench.scoring import Scoring, arrays, groups_of, read_predictions, scorable
from affectbench.tasks import TASKS
from affectbench.types import Task

FEWEST: Final = 2  # systems
# Correlation of a rival over draws: with 1 it would be the system itself; 0 where it is not known.
CLOSEST: Final = 0.99
STRANGERS: Final = 0.0


@dataclass(frozen=True, slots=True)
class Compared:
    """Systems of one task, compared by the metric that ranks."""

    task: str
    part: str
    metric: str
    clips: int
    comparisons: Comparisons
    detectable: Detectable  # by the best system, for rivals that move with it as the second does


def compare_paths(
    paths: Sequence[Path],
    *,
    task: Task | None = None,
    truth: pl.DataFrame | None = None,
    part: str | None = None,
    scoring: Scoring | None = None,
) -> Compared:
    """Compare stored results and files of predictions.

    Args:
        paths: folders of results (of a system, or of all systems of a task) and files.
        task: what the files predict; of results it is known.
        truth: labels of the files, from ``truth.read_truth``.
        part: dev or test; None: test where all have its labels, else dev.
        scoring: draws, level, seed and what is resampled.

    Raises:
        MissingData: a path holds no results, a file comes without task or labels, or no part is
            labelled for all.
        BadData: results of different tasks, clips or labels.
        AffectBenchError: fewer than two systems.
    """
    found: dict[str, dict[str, list[pl.DataFrame]]] = {}
    tasks: dict[str, Task] = {}
    for path in paths:
        for name, own, tables in _systems(path, task, truth):
            found[f"{path}: {name}" if name in found else name] = tables
            tasks[own.name] = own
    if len(tasks) > 1:
        raise BadData(f"The results are of different tasks: {listing(sorted(tasks))}.")
    if len(found) < FEWEST:
        raise AffectBenchError(f"Found {len(found)} system; expected two or more to compare.")
    one = next(iter(tasks.values()))
    parts = [part] if part else ["test", "dev", "all"]
    chosen = next((p for p in parts if all(_labelled(t.get(p), one) for t in found.values())), None)
    if chosen is None:
        raise MissingData(
            f"There is no part of {one.name} for which all of {listing(list(found))} have "
            f"predictions and labels. Looked for {listing(parts)}; add the labels of a blind test "
            "with: affectbench score RESULTS --labels FOLDER"
        )
    systems = {name: tables[chosen] for name, tables in found.items()}
    return compare_tables(systems, one, chosen, scoring or Scoring())


def compare_tables(
    systems: Mapping[str, Sequence[pl.DataFrame]], task: Task, part: str, scoring: Scoring
) -> Compared:
    """Compare tables of ``schema.PREDICTIONS``, one a seed, by system.

    Raises:
        BadData: they are not of the same clips, or not with the same labels.
    """
    kept = _aligned(systems, task)
    comparisons = _comparisons(kept, task, scoring)
    best = comparisons.pairs[0]
    first = next(iter(kept.values()))[0]
    truth, _, outputs = arrays([first], task.metric, task.targets)
    together = best.comparison.correlation
    detectable = smallest_detectable(
        task.metric,
        truth,
        arrays(kept[best.first], task.metric, task.targets)[1],
        groups_of(first, scoring.group_by or task.group),
        outputs=outputs,
        level=scoring.level,
        correlation=STRANGERS if isnan(together) else min(max(together, 0.0), CLOSEST),
        seed=scoring.seed,
    )
    return Compared(task.name, part, task.metric.key, len(first), comparisons, detectable)


def rank_tables(
    systems: Mapping[str, Sequence[pl.DataFrame]], task: Task, scoring: Scoring
) -> Comparisons:
    """As ``compare_tables``, without the smallest difference that would show, which takes longest.

    Raises:
        BadData: as there.
    """
    return _comparisons(_aligned(systems, task), task, scoring)


def _aligned(
    systems: Mapping[str, Sequence[pl.DataFrame]], task: Task
) -> dict[str, list[pl.DataFrame]]:
    """What can be scored, in the order of the clips, of the same clips and labels."""
    kept = {
        name: [scorable(table, task).sort("clip") for table in tables]
        for name, tables in systems.items()
    }
    (name, tables), *others = kept.items()
    for other, held in [(name, tables[1:]), *others]:
        for table in held:
            _check_same(name, tables[0], other, table, task)
    return kept


def _comparisons(
    kept: Mapping[str, Sequence[pl.DataFrame]], task: Task, scoring: Scoring
) -> Comparisons:
    """All pairs of aligned systems."""
    first = next(iter(kept.values()))[0]
    group_by = scoring.group_by or task.group
    truth, _, outputs = arrays([first], task.metric, task.targets)
    return compare_all(
        task.metric,
        truth,
        {name: arrays(held, task.metric, task.targets)[1] for name, held in kept.items()},
        groups_of(first, group_by),
        outputs=outputs,
        draws=scoring.draws,
        level=scoring.level,
        seed=scoring.seed,
        group_by=group_by,
    )


def _systems(
    path: Path, task: Task | None, truth: pl.DataFrame | None
) -> list[tuple[str, Task, dict[str, list[pl.DataFrame]]]]:
    """Name, task, and tables by part (one a seed) of every system that a path holds."""
    if path.is_dir():
        folders = results.system_folders(path)
        if not folders:
            raise MissingData(f"{path} holds no results. Expected seed<k>/result.json below it.")
        return [_stored(folder) for folder in folders]
    if task is None or truth is None:
        raise MissingData(
            f"{path} is a file of predictions. Expected --task and --labels with it, to know what "
            "it predicts."
        )
    tables, _ = read_predictions(path, task, truth)
    return [(path.stem, task, {part: [table] for part, table in tables.items()})]


def _stored(folder: Path) -> tuple[str, Task, dict[str, list[pl.DataFrame]]]:
    """A system of a results folder."""
    seeds = [results.read_seed(seed) for seed in results.seed_folders(folder)]
    first = seeds[0][0]
    tables = {part: [held[part] for _, held in seeds] for part in seeds[0][1]}
    return first["system"]["label"], TASKS[first["task"]["name"]], tables


def _labelled(tables: Sequence[pl.DataFrame] | None, task: Task) -> bool:
    """Whether some clip of the first table has a label and a prediction."""
    return tables is not None and len(scorable(tables[0], task)) > 0


def _check_same(one: str, first: pl.DataFrame, two: str, second: pl.DataFrame, task: Task) -> None:
    """Both must be of the same clips with the same labels.

    Raises:
        BadData: they are not; labels are not told.
    """
    for has, lacks, here, there in ((one, two, first, second), (two, one, second, first)):
        absent = here.join(there, on="clip", how="anti")["clip"].to_list()
        if absent:
            raise BadData(
                f"{lacks} has no prediction for {len(absent):,} clips of {has}: {listing(absent)}. "
                "Expected both on the same clips."
            )
    labels = [f"truth.{column}" for column in task.columns]
    differ = (first.select(labels) != second.select(labels)).sum().sum_horizontal()[0]
    if differ:
        raise BadData(
            f"{one} and {two} were scored with labels that differ in {differ:,} cells. Expected "
            "labels of one release; score both again."
        )

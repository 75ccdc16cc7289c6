"""Stored results as rows, the data that they are of, and how they compare with each other."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from math import isnan
from pathlib import Path
from typing import Any

from polars.exceptions import PolarsError

from affectbench import results
from affectbench.board.model import Cost, Row
from affectbench.board.stored import Stored, Unusable
from affectbench.board.wording import clean
from affectbench.comparison import rank_tables
from affectbench.errors import AffectBenchError
from affectbench.intervals import described
from affectbench.provenance import label_digest
from affectbench.scoring import Scoring
from affectbench.splits import apply
from affectbench.systems import SYSTEMS
from affectbench.types import Score, Task


def row(found: Stored, part: str, metric: str, *, name: str) -> Row | None:
    """A system on a part; None where the part is blind."""
    score = found.score(part, metric)
    if score is None:
        return None
    each = [value for value in score.get("seeds", []) if value is not None]
    return Row(
        system=clean(name),
        team="",
        kind="own",
        split="test" if part == "test" else "dev",
        metric=metric,
        scale=metric.partition(".")[0],
        value=score["value"],
        low=score["low"],
        high=score["high"],
        spread=statistics.stdev(each) if len(each) > 1 else None,
        status="measured",
        source=command(found),
        seeds=len(found.seeds),
        per_seed=tuple(score.get("seeds", ())),
        cost=cost(found),
        folder=found.folder,
    )


def unusable_row(found: Unusable, metric: str) -> Row:
    """A row that only tells what is wrong with a result."""
    return Row(
        system=clean(found.label),
        team="",
        kind="own",
        split="unknown",
        metric=metric,
        scale=metric.partition(".")[0],
        value=None,
        status="unusable",
        source=clean(found.folder),
        note=clean(found.why),
        apart="unusable",
        folder=found.folder,
    )


def names(found: Sequence[Stored]) -> list[str]:
    """A clean name for each system, no two alike: with its folder where several have one label."""
    labels = [clean(one.label) for one in found]
    given: list[str] = []
    for label, one in zip(labels, found, strict=True):
        name = f"{label} ({clean(one.folder)})" if labels.count(label) > 1 else label
        given.append(f"{name} {given.count(name) + 1}" if name in given else name)
    return given


def command(found: Stored) -> str:
    """The command that makes the result, but for the folder of the data."""
    system = found.result["system"]
    known = SYSTEMS.get(system["name"])
    words = ["affectbench run", found.task]
    words.append(f"--system {system['name'] if known else 'FILE.py:NAME'}")
    if found.label != system["name"] and (known is None or system["mode"] != known.modes[0]):
        words.append(f"--mode {system['mode']}")
    if known and tuple(sorted(found.seeds)) != tuple(sorted(known.seeds)):
        words += [f"--seed {seed}" for seed in found.seeds]
    return clean(" ".join([*words, "--data DIR"]))


def cost(found: Stored) -> Cost:
    """Time, speed and size, as far as they were noted."""
    train = [_noted(run, "fit_and_predict_s") for run in found.runs]
    speeds = [_speed(run) for run in found.runs]
    several = len(found.result["task"]["targets"]) > 1
    sizes = [_parameters(result["model"], several) for result in found.seeds.values()]
    return Cost(
        train_s=_all(train, statistics.fmean),
        audio_per_s=_all(speeds, min),
        parameters=_all(sizes, lambda known: round(statistics.fmean(known))),
    )


def _all(values: Sequence[Any], combine: Any) -> Any:
    """The values combined; None where there are none, or one is not known."""
    return combine(values) if values and None not in values else None


def _noted(run: Mapping[str, Any], key: str) -> float | None:
    value = run.get(key)
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _speed(run: Mapping[str, Any]) -> float | None:
    audio, taken = _noted(run, "audio_s"), _noted(run, "read_and_extract_s")
    return audio / taken if audio and taken else None


def _parameters(model: Any, several: bool) -> int | None:
    """Fitted numbers that a model reports; of a task with several targets the sum."""
    reports = list(model.values()) if several and isinstance(model, dict) else [model]
    sizes = [report.get("parameters") if isinstance(report, dict) else None for report in reports]
    whole: int | None = _all([s if isinstance(s, int) else None for s in sizes], sum)
    return whole


def other_data(found: Stored, task: Task, part: str) -> str:
    """Why a result is not of the released part as it was published; empty where it is."""
    data = found.result["data"]
    origin = data.get("origin")
    if origin == "twin":
        return f"twin of {task.corpus.name}"
    if origin != "corpus":
        return "data of unknown origin"
    published = task.corpus.published
    there, expected = data["parts"][part]["clips"], published.get(part)
    if expected is None:
        there, expected = data["clips"], published.get("clips")
    if there != expected:
        told = "an unknown number of" if expected is None else f"{expected:,}"
        return f"{there:,} of {told} clips"
    left = found.summary["unscored"].get(part, 0)
    return f"all but {left:,} clips" if left else ""


def data_of(found: Stored, part: str, metric: str) -> tuple[str, int]:
    """What results must share to be ranked together: the data, and how many clips are scored."""
    score = found.score(part, metric) or {}
    return results.data_digest(found.result["data"]), score.get("clips", 0)


def ranked_together(
    found: Mapping[str, Stored], task: Task, part: str, scoring: Scoring | None
) -> tuple[dict[str, tuple[int, int]], str]:
    """The ranks that each of several systems may have, by name, and why there are none.

    Args:
        found: systems by name, of the same data.
        task: which task.
        part: dev or test.
        scoring: how they are compared; None: by the groups of their intervals.
    """
    if len(found) < 2:
        return {}, ""
    if scoring is None:
        by = {one.summary["scoring"]["group_by"] for one in found.values()}
        scoring = Scoring(group_by=by.pop() if len(by) == 1 else None)
    tables = {name: one.tables[part] for name, one in found.items()}
    try:
        compared = rank_tables(tables, task, scoring)
    except AffectBenchError as error:
        return {}, f"No ranks among own systems: {clean(error)}"
    if not compared.pairs[0].comparison.groups:
        unit = scoring.group_by or task.group
        return {}, f"No ranks among own systems: the {unit}s are unknown."
    return {
        s.system: (s.best, s.worst)
        for s in compared.standings
        if s.best is not None and s.worst is not None
    }, ""


def ceiling(found: Stored, task: Task, part: str) -> float | None:
    """The best score that there can be on a twin, on average, from its ``ceiling.json``.

    Where a system can do better by recognising what it met in training, that bound.

    None where the data are no twin, are gone, or are no longer those of the result.
    """
    roots = {run.get("data") for run in found.runs}
    root = roots.pop() if len(roots) == 1 else None
    if found.result["data"].get("origin") != "twin" or not isinstance(root, str):
        return None
    try:
        told = json.loads((Path(root) / "ceiling.json").read_text(encoding="utf-8"))[task.name]
        metric, value = told["metric"], told.get("recognised", told)[part]
        clips = apply(task.split, task.corpus.read(Path(root)).clips)
        same = label_digest(task, clips) == found.result["data"]["labels"]
    except (OSError, ValueError, KeyError, TypeError, AffectBenchError, PolarsError):
        return None
    known = same and metric == task.metric.key and isinstance(value, int | float)
    return float(value) if known and not isnan(value) else None


def intervals_of(found: Mapping[str, Stored], part: str, metric: str) -> list[str]:
    """How the intervals were made, a sentence for each way."""
    ways: dict[str, list[str]] = {}
    for name, one in found.items():
        score = one.score(part, metric) or {}
        ways.setdefault(_described(score), []).append(name)
    if len(ways) == 1:
        return [f"Intervals: {next(iter(ways))}."]
    return [f"Intervals of {', '.join(who)}: {how}." for how, who in ways.items()]


def _described(score: Mapping[str, Any]) -> str:
    """How one interval was made, and of how many clips."""
    try:
        known = Score(**{field.name: score[field.name] for field in fields(Score)})
    except KeyError:
        return "made by an older version (affectbench score brings them up to date)"
    if not known.groups:
        return f"none ({known.clips:,} clips, of groups that are unknown)"
    return f"{described(known)} ({known.clips:,} clips)"


def with_ranks(row: Row, ranks: tuple[int, int] | None) -> Row:
    """A row with the ranks that it may have."""
    return replace(row, ranks=ranks, tied_first=ranks is not None and ranks[0] == 1)

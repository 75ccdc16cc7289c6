"""Stored results as figures, each with its caption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np
import polars as pl

from affectbench import results
from affectbench.board import Group
from affectbench.board.stored import Stored
from affectbench.intervals.groups import GroupReport, age_bands, by_group
from affectbench.report import figures
from affectbench.report.evidence import Detail
from affectbench.report.markup import Child, Html, el
from affectbench.scoring import arrays, groups_of, scorable
from affectbench.types import Floats, Score, Target, Task

LABELS: Final[Mapping[str, str]] = {
    "country": "country",
    "sex": "sex",
    "age": "age",
    "role": "role",
}
LOSSES: Final = {"train_loss": "train", "dev_loss": "dev"}


def figure(svg: str, *caption: Child) -> Html:
    """A picture and what it shows."""
    return el("figure", Html(svg), el("figcaption", *caption) if any(caption) else None)


def broad(svg: str, label: str, *caption: Child) -> Html:
    """A picture that scrolls in its own box where it would become too small to read."""
    box = el("div", Html(svg), tabindex="0", role="group", aria_label=label)
    return el("figure", box, el("figcaption", *caption) if any(caption) else None, class_="broad")


def forest(group: Group, task: Task | None, metric: str, name: str) -> Html:
    """The systems of a group with their intervals."""
    nan = float("nan")
    marks = [
        figures.Mark(
            f"{row.system} ({row.team})" if row.team else row.system,
            row.value,
            nan if row.low is None else row.low,
            nan if row.high is None else row.high,
            "published" if row.kind == "published" else "measured",
        )
        for row in group.rows
        if row.value is not None
    ]
    svg = figures.forest(
        marks,
        name=name,
        metric=metric,
        ceiling=group.ceiling,
        chance=chance(task) if task else None,
    )
    return broad(svg, f"Systems and their intervals: {group.title}")


def chance(task: Task) -> float | None:
    """What a system scores that knows nothing, where that is a number; None where it is not."""
    if task.metric.name in ("ccc", "spearman", "pearson"):
        return 0.0
    if task.metric.name == "uar":
        return 1 / task.target.outputs
    return None


def middle_seed(one: Stored, part: str, metric: str) -> int:
    """The index of the seed with the median score; the lower of two, the first of equals."""
    scores = (one.score(part, metric) or {}).get("seeds", [])
    known = sorted((value, index) for index, value in enumerate(scores) if value is not None)
    return known[(len(known) - 1) // 2][1] if known else 0


def table_of(detail: Detail, one: Stored) -> tuple[pl.DataFrame, str]:
    """The scored clips of the middle seed, and which one that is in words."""
    index = middle_seed(one, detail.part, detail.metric)
    table = scorable(one.tables[detail.part][index], detail.task)
    if len(one.seeds) == 1:
        return table, ""
    return table, f"Seed {list(one.seeds)[index]}, the median of {len(one.seeds)}."


def agreements(detail: Detail, name: str) -> Iterator[tuple[str, Html]]:
    """Prediction against truth of the best system, a figure for each column of numbers."""
    table, _ = table_of(detail, detail.best[1])
    columns = [
        (target, column)
        for target in detail.task.targets
        if target.kind == "regression"
        for column in target.columns
    ]
    for number, (target, column) in enumerate(columns):
        svg = figures.scatter_agreement(
            table[f"truth.{column}"].cast(pl.Float64).to_numpy(),
            table[f"prediction.{column}"].cast(pl.Float64).to_numpy(),
            name=f"{name}-{number}",
            title=column,
            limits=(target.low, target.high),
            **({} if detail.data.free else {"points": 0}),
        )
        yield column, figure(svg)


def confusions(detail: Detail, name: str) -> Iterator[Html]:
    """Which class is taken for which, of every system, for each target of classes."""
    targets = [target for target in detail.task.targets if target.kind == "classification"]
    for number, target in enumerate(targets):
        for place, (label, one) in enumerate(detail.systems.items()):
            table, seed = table_of(detail, one)
            svg = figures.confusion(
                counts(table, target), target.classes, name=f"{name}-{number}-{place}", title=label
            )
            of = f"Target: {target.name}. " if len(detail.task.targets) > 1 else ""
            yield broad(svg, f"Confusions of {label}", f"{of}{seed}")


def counts(table: pl.DataFrame, target: Target) -> Floats:
    """Clips of each true class by predicted class, [C, C]."""
    column, names = target.columns[0], list(target.classes)
    codes = {each: code for code, each in enumerate(names)}
    pairs = table.select(f"truth.{column}", f"prediction.{column}").drop_nulls()
    found = np.zeros((len(names), len(names)))
    for truth, prediction in pairs.iter_rows():
        found[codes[truth], codes[prediction]] += 1
    return found


def gaps(detail: Detail, name: str) -> Iterator[Html]:
    """The best system by country, sex, age and role, where a part has two of them."""
    _, one = detail.best
    for label in LABELS:
        report = group_report(detail, one, label)
        if report is not None:
            svg = figures.gaps(report, name=f"{name}-{label}", title=f"By {label}")
            yield broad(svg, f"Scores by {label}")


def group_report(detail: Detail, one: Stored, label: str) -> GroupReport | None:
    """Scores by a label and the gap between them; None where fewer than two groups are known."""
    task = detail.task
    tables = [scorable(table, task) for table in one.tables[detail.part]]
    values = groups_of(tables[0], label)
    if label == "age":
        values = age_bands(values)
    if len({value for value in values if value is not None}) < 2:
        return None
    truth, predictions, outputs = arrays(tables, task.metric, task.targets)
    scoring = one.summary["scoring"]
    unit = scoring["group_by"] or task.group
    return by_group(
        task.metric,
        truth,
        predictions,
        values,
        groups_of(tables[0], unit),
        outputs=outputs,
        draws=scoring["draws"],
        level=scoring["level"],
        seed=scoring["seed"],
        unit=unit,
    )


MOST_CURVES: Final = 4  # that one figure of support clips holds


def shots(detail: Detail, name: str) -> Iterator[Html]:
    """The score of every system that adapts, by the number of support clips."""
    curves: dict[str, dict[int, Score]] = {}
    for one in detail.systems.values():
        system = one.result["system"]
        told = one.score(detail.part, detail.metric)
        if "shots" in system and told is not None:
            score = Score(**{f.name: _or_nan(told[f.name]) for f in fields(Score)})
            label = results.label_without_shots(system["label"])
            curves.setdefault(label, {})[system["shots"]] = score
    drawn = [(label, curve) for label, curve in curves.items() if len(curve) > 1]
    for start in range(0, len(drawn), MOST_CURVES):
        some = dict(drawn[start : start + MOST_CURVES])
        svg = figures.shots(some, name=f"{name}-{start}", metric=detail.metric)
        yield broad(svg, "Score by number of support clips")


def _or_nan(value: Any) -> Any:
    """JSON has no NaN: it is stored as null."""
    return float("nan") if value is None else value


def curves(detail: Detail, name: str) -> Iterator[Html]:
    """Loss and metric by epoch of every system that reports them, all seeds together."""
    for place, (label, one) in enumerate(detail.systems.items()):
        for number, (target, reports) in enumerate(reports_of(one, detail.task).items()):
            if all(report.get("curve") for report in reports):
                of = f"{label}, {target}" if target else label
                yield from _curve(reports, of, f"{name}-{place}-{number}")


def reports_of(one: Stored, task: Task | None) -> dict[str, list[Mapping[str, Any]]]:
    """What the models of all seeds report, by target; under "" where there is only one model.

    Of folds there is a model each and none to show: the report is left out.
    """
    models = [result["model"] for result in one.seeds.values()]
    if any("folds" in model for model in models):
        return {}
    if task is None or len(task.targets) == 1 or "curve" in models[0]:
        return {"": models}
    return {
        t.name: [model[t.name] for model in models] for t in task.targets if t.name in models[0]
    }


def _curve(reports: Sequence[Mapping[str, Any]], of: str, name: str) -> Iterator[Html]:
    runs = [report["curve"] for report in reports]
    last = max(len(run) for run in runs)
    epochs = np.arange(1, last + 1)
    kept = [report["kept_epoch"] for report in reports if "kept_epoch" in report]
    marked = kept if len(kept) == len(reports) else None
    seeds = f"{len(runs)} seeds" if len(runs) > 1 else "one seed"
    for what, series in (("loss", LOSSES), ("metric", {"dev_metric": "dev"})):
        found = {word: _stacked(runs, key, last) for key, word in series.items()}
        told = {word: values for word, values in found.items() if np.isfinite(values).any()}
        if told:
            label = str(reports[0].get("metric", "metric")) if what == "metric" else "loss"
            svg = figures.curve(
                epochs, told, name=f"{name}-{what}", kept=marked, label=label, title=of
            )
            yield broad(svg, f"{label} of {of} by epoch", f"{seeds[0].upper()}{seeds[1:]}.")


def _stacked(runs: Sequence[Sequence[Mapping[str, Any]]], key: str, last: int) -> Floats:
    """[R, E], NaN where a run has ended or does not tell."""
    values = np.full((len(runs), last), np.nan)
    for row, run in enumerate(runs):
        for column, epoch in enumerate(run):
            value = epoch.get(key)
            values[row, column] = np.nan if value is None else value
    return values

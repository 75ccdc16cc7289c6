"""Fit one seed of a system and predict dev and test: once, over folds, or speaker by speaker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench import results, splits
from affectbench.errors import BadData
from affectbench.material import Material, in_part, part_of, to_predict
from affectbench.types import PARTS, Floats, Part, Progress, Resumable, System, Task

SHOTS: Final = splits.SUPPORT  # support clips that a personalised result is of
Predict = Callable[[Part], Any]
Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Predictions of one seed, and what the model says of itself."""

    tables: Tables  # dev and test
    report: dict[str, Any]


def personalises(task: Task, system: System) -> bool:
    """Whether the system learns from the support clips of this task."""
    return task.protocol == "personalise" and system.adapts


def shots_of(task: Task, system: System) -> dict[int, int | None]:
    """Numbers of support clips that a run predicts with, the result's own first.

    Each with what the result says of it: None for a system that does not learn from them.
    """
    if not personalises(task, system):
        return {SHOTS: None}
    return {shots: shots for shots in range(SHOTS, -1, -1)}


def fit_predict(
    task: Task,
    system: System,
    mode: str,
    seed: int,
    material: Material,
    *,
    work: Path,
    progress: Progress | None = None,
) -> dict[int, Fitted]:
    """Fit one seed and predict: dev by the model that never saw dev, test after the stated refit.

    A task of several targets gets a model a target, each chosen by its part of the metric, unless
    the system is a joint one. Of a split with folds each fold is fitted, and the predictions are
    pooled.

    Checkpoints of a ``Resumable`` model lie in ``work``; the caller removes it.

    Returns:
        By number of support clips (``shots_of``): predictions and report.
    """
    folds = task.split.folds
    if not folds:
        return _fit_once(task, system, mode, seed, material, work=work, progress=progress)
    found = []
    for number, fold in enumerate(folds, 1):
        held = replace(material, clips=splits.apply(fold, material.clips))
        place = work / f"fold{number}"
        found.append(_fit_once(task, system, mode, seed, held, work=place, progress=progress))
    return {shots: _pooled([one[shots] for one in found], material) for shots in found[0]}


def _pooled(folds: Sequence[Fitted], material: Material) -> Fitted:
    """Predictions of all folds, in the order of the clips."""
    order = material.clips.select("clip")
    tables = {
        part: order.join(
            pl.concat([fold.tables[part] for fold in folds]),
            on="clip",
            how="inner",
            maintain_order="left",
        )
        for part in PARTS[1:]
    }
    return Fitted(tables, {"folds": [fold.report for fold in folds]})


def _fit_once(
    task: Task,
    system: System,
    mode: str,
    seed: int,
    material: Material,
    *,
    work: Path,
    progress: Progress | None,
) -> dict[int, Fitted]:
    singles = (task,) if system.joint else task.single()
    outputs: dict[int, dict[str, list[Floats]]] = {
        shots: {part: [] for part in PARTS[1:]} for shots in shots_of(task, system)
    }
    reports = {}
    for single in singles:
        train, dev = (
            part_of(single, material, in_part(material, part), joint=system.joint)
            for part in PARTS[:2]
        )
        model = system.build(single, seed, mode)
        if isinstance(model, Resumable):
            model.attend(work / "-".join(target.name for target in single.targets), progress)
        model.fit(train, dev)
        _predict_into(outputs, single, system, material, "dev", model)
        if system.refit:
            model.refit(train, dev)
        _predict_into(outputs, single, system, material, "test", model)
        reports[single.targets[0].name] = model.report()
    report = reports if len(singles) > 1 else next(iter(reports.values()))
    return {
        shots: Fitted(
            {
                part: results.predictions(
                    material.clips.filter(to_predict(task, material, part)), task, values
                )
                for part, values in parts.items()
            },
            report,
        )
        for shots, parts in outputs.items()
    }


def _predict_into(
    outputs: Mapping[int, Mapping[str, list[Floats]]],
    task: Task,
    system: System,
    material: Material,
    part: str,
    model: Any,
) -> None:
    """Append the outputs of a part, one array a target, for each number of support clips."""
    chosen = to_predict(task, material, part)
    for shots, parts in outputs.items():
        if shots and personalises(task, system):
            values = _speaker_by_speaker(task, system, material, part, chosen, model, shots)
        else:
            values = _predicted(task, system, material, chosen, model.predict)
        parts[part].extend(value[chosen] for value in values)


def _predicted(
    task: Task, system: System, material: Material, chosen: NDArray[np.bool_], predict: Predict
) -> list[Floats]:
    """Outputs [N, C] a target of all clips: NaN for those not chosen, and those without audio."""
    rows = np.flatnonzero(chosen & material.clips["digest"].is_not_null().to_numpy())
    empty = [np.full((len(material.clips), target.outputs), np.nan) for target in task.targets]
    if not len(rows):
        return empty
    said = predict(part_of(task, material, chosen, labelled=False))
    told = said if system.joint else (said,)
    for values, given, target in zip(empty, told, task.targets, strict=True):
        if np.shape(given) != (len(rows), target.outputs):
            raise BadData(
                f"A model gave predictions of shape {np.shape(given)} for {target.name}; expected "
                f"{(len(rows), target.outputs)}: one row a clip, one column an output."
            )
        values[rows] = given
    return empty


def _speaker_by_speaker(
    task: Task,
    system: System,
    material: Material,
    part: str,
    chosen: NDArray[np.bool_],
    model: Any,
    shots: int,
) -> list[Floats]:
    """The same, each speaker by the model that was adapted to that speaker's support clips.

    A speaker without support clips is predicted by the model as it is. Support clips count in the
    order of the clips table.
    """
    support = in_part(material, part) & material.clips["support"].to_numpy()
    speakers = material.clips["speaker"].to_numpy()
    readable = material.clips["digest"].is_not_null().to_numpy()
    without = chosen & ~np.isin(speakers, speakers[support & readable])
    values = _predicted(task, system, material, without, model.predict)
    for who in np.unique(speakers[support & readable].astype(str)):
        rows = np.flatnonzero(support & readable & (speakers == who))[:shots]
        own = np.zeros(len(speakers), dtype=bool)
        own[rows] = True
        adapted = model.adapt(part_of(task, material, own, joint=system.joint))
        queries = chosen & (speakers == who)
        found = _predicted(task, system, material, queries, adapted.predict)
        for value, told in zip(values, found, strict=True):
            value[queries] = told[queries]
    return values

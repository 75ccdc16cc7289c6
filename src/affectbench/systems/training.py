"""What every system shares: checks on what it is given, scaling, and the judgement on dev."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from affectbench.errors import BadData, listing
from affectbench.types import Floats, Metric, Part, Task

if TYPE_CHECKING:
    from sklearn.preprocessing import StandardScaler


def check_features(part: Part) -> None:
    """Stop at features that no model can use, by the name of the clip.

    Raises:
        BadData: there is no clip, not one row a clip, or a row with NaN or an infinity.
    """
    if part.features.ndim != 2 or len(part.features) != len(part.clips) or not part.clips:
        raise BadData(
            f"Features of shape {part.features.shape} for {len(part.clips):,} clips. "
            "Expected one row a clip and at least one clip: check the split and the extraction."
        )
    bad = np.flatnonzero(~np.isfinite(part.features).all(axis=1))
    if len(bad):
        names = [part.clips[row] for row in bad]
        raise BadData(
            f"{len(bad):,} of {len(part.clips):,} clips have features that are NaN or infinite: "
            f"{listing(names)}. Expected finite numbers: listen to these clips and extract their "
            "features again, or leave them out."
        )


def check_part(task: Task, name: str, part: Part) -> None:
    """Features and labels of a part that is learnt from or chosen on, named ``train`` or ``dev``.

    Raises:
        BadData: see ``check_features``; or the labels are not there, of another shape than the
            target, not one of its classes, or blank where the target does not allow it.
    """
    check_features(part)
    check_labels(task, name, part)


def check_labels(task: Task, name: str, part: Part) -> None:
    """The labels of ``check_part``, of a task with one target.

    Raises:
        BadData: see ``check_part``.
    """
    target, labels = task.target, part.labels
    if labels.size == 0:
        raise BadData(
            f"The {name} part of {task.name} has no labels. A system learns from train and chooses "
            "on dev, so both must be labelled; only test may be blind."
        )
    single = target.kind == "classification"
    shape = (len(part.clips),) if single else (len(part.clips), target.outputs)
    if labels.shape != shape:
        raise BadData(
            f"The labels of {name} have the shape {labels.shape}, expected {shape} for "
            f"{target.kind} of {target.outputs} outputs ({target.name})."
        )
    if single:
        wrong = ~np.isin(labels, np.arange(target.outputs))
        expected = f"class indices from 0 to {target.outputs - 1}"
    else:
        wrong = np.isinf(labels).any(axis=1)
        if not target.nan_ok:
            wrong |= np.isnan(labels).any(axis=1)
        expected = "finite numbers" + (" or blanks" if target.nan_ok else ", none of them blank")
    if wrong.any():
        names = [part.clips[row] for row in np.flatnonzero(wrong)]
        raise BadData(
            f"{len(names):,} clips of {name} have labels of {target.name} that cannot be used: "
            f"{listing(names)}. "
            f"Expected {expected}: correct the label file, or leave these clips out."
        )


def joined(train: Part, dev: Part) -> Part:
    """Train and dev as one part, for a refit."""
    return Part(
        train.clips + dev.clips,
        np.concatenate([train.features, dev.features]),
        np.concatenate([train.labels, dev.labels]),
        train.speakers + dev.speakers,
    )


def standardised(features: np.ndarray[Any, Any]) -> tuple[Floats, StandardScaler]:
    """Features [N, D] at mean 0 and population standard deviation 1, and the fitted scaler.

    A column without variance is centred and divided by 1. Computed in float64 on one copy.
    """
    from sklearn.preprocessing import StandardScaler

    values = features.astype(np.float64)
    scaler = StandardScaler(copy=False).fit(values)
    return scaler.transform(values), scaler


def scaled(scaler: StandardScaler, features: np.ndarray[Any, Any]) -> Floats:
    """Features [N, D] on the scale of the part that the scaler was fitted on."""
    values: Floats = scaler.transform(features.astype(np.float64))
    return values


def dev_value(task: Task, part: Part, prediction: Floats) -> float:
    """The task's own metric, combined over outputs, of predictions [N, C]; NaN where undefined."""
    metric = task.metric
    decided = prediction.argmax(axis=1) if task.target.kind == "classification" else prediction
    return float(metric.combine(metric.compute(part.labels, decided, task.target.outputs)))


def merit(metric: Metric, value: float) -> float:
    """A value such that higher is better, whatever the metric; undefined is worst of all."""
    if np.isnan(value):
        return -np.inf
    return value if metric.high >= metric.low else -value

"""What a call about intervals is given, checked and in one shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import AffectBenchError, BadData, UnknownName
from affectbench.intervals.methods import METHODS
from affectbench.types import Metric


def check_call(metric: Metric, draws: int, level: float, method: str) -> None:
    """What can be wrong with a call whatever the data."""
    if draws < 1 or not 0 < level < 1:
        raise AffectBenchError(
            f"draws is {draws} and level {level}; expected at least 1 draw and 0 < level < 1."
        )
    if method not in METHODS:
        raise UnknownName(f"No interval is called '{method}'. There are: {', '.join(METHODS)}.")
    if metric.kind == "generation":
        raise AffectBenchError(
            f"{metric.key} measures generated clips, which are not predictions of clips of a "
            "corpus; expected a metric of regression, classification or both."
        )


def shaped(
    metric: Metric, truth: Any, predictions: Any, outputs: int | tuple[int, ...]
) -> tuple[Any, list[Any], int]:
    """Truth and the prediction of each seed [R] as the metric takes them, and N."""
    if metric.kind != "composite":
        true, predicted = _shaped_part(metric, truth, predictions, outputs)
        return true, list(predicted), len(true)
    given: tuple[Any, Any, Any] = (truth, predictions, outputs)
    if not all(isinstance(each, tuple) and len(each) == len(metric.parts) for each in given):
        names = ", ".join(part.key for part in metric.parts)
        raise BadData(
            f"{metric.key} is made of {names}; expected truth, predictions and outputs as tuples "
            "with one entry for each of them."
        )
    parts = [_shaped_part(*each) for each in zip(metric.parts, *given, strict=True)]
    sizes = {predicted.shape[:2] for _, predicted in parts}
    if len(sizes) > 1:
        told = ", ".join(f"{r:,} seeds of {n:,} clips" for r, n in sorted(sizes))
        raise BadData(f"The parts of {metric.key} have {told}; expected the same in all of them.")
    seeds = list(zip(*(predicted for _, predicted in parts), strict=True))
    return tuple(true for true, _ in parts), seeds, len(parts[0][0])


def _shaped_part(
    metric: Metric, truth: Any, predictions: Any, outputs: Any
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Truth [N, C] or [N] and predictions with one more axis in front, checked."""
    true, predicted = (_array(metric, given) for given in (truth, predictions))
    if predicted.ndim != true.ndim + 1 or predicted.shape[1:] != true.shape or not len(predicted):
        raise BadData(
            f"The truth has the shape {true.shape} and the predictions {predicted.shape}; expected "
            "the shape of the truth with the seeds in front. Wrap a single prediction in a list."
        )
    if metric.kind == "regression" and true.ndim == 1:
        true, predicted = true[:, None], predicted[..., None]
    expected = (len(true), outputs) if metric.kind == "regression" else (len(true),)
    if true.shape != expected:
        raise BadData(
            f"{metric.key} was given a truth of the shape {true.shape}; expected {expected}."
        )
    return true, predicted


def _array(metric: Metric, given: Any) -> NDArray[Any]:
    """An array; of numbers where the metric is one of regression, None as NaN."""
    try:
        array = np.asarray(given)
        numbers = metric.kind != "regression" or array.dtype.kind in "biuf"
        return array if numbers else array.astype(np.float64)
    except (TypeError, ValueError):
        raise BadData(
            f"{metric.key} was given what is no array; expected rows of one length, of numbers or "
            "class indices."
        ) from None

"""Intervals by group: the one owner of what is resampled.

Clips of one speaker resemble each other, so resampling clips gives intervals that are too narrow
where speakers gave several. What is drawn with replacement is therefore groups, speakers by
default, each with all its clips; the interval is the percentile interval of the draws (Efron and
Tibshirani 1993, chapter 13; Davison and Hinkley 1997, section 3.8, for groups).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import AffectBenchError, BadData
from affectbench.types import Floats, Metric, Score

FEW: Final = 10  # groups below which the interval is far too narrow: benchmarks/bootstrap.py
TALLIED_AT_ONCE: Final = 256  # draws; a change of it changes every interval
DRAWS_AT_ONCE: Final = 10 * TALLIED_AT_ONCE
COUNT_BYTES: Final = 64 * 2**20  # of counts held at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """A score with its interval, and what it is made of, from the same draws."""

    score: Score  # the combined value: mean over seeds of the metric
    per_output: tuple[Score, ...]  # [C] per column or class: mean over seeds
    per_seed: tuple[float, ...]  # [R] the combined value of each seed


def bootstrap(  # noqa: PLR0913 - what is optional goes by name
    metric: Metric,
    truth: ArrayLike,
    predictions: ArrayLike,
    groups: Sequence[Any] | NDArray[Any],
    *,
    outputs: int,
    draws: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    group_by: str = "speaker",
) -> Intervals:
    """Percentile bootstrap by group of a metric, for one system with R seeds.

    The score of a system is the mean over its seeds. Each draw takes as many groups as there are,
    with replacement, and scores every seed on the clips of those groups: the interval is that of
    the mean. It does not depend on the order of the clips, up to rounding.

    Args:
        metric: a row of ``METRICS``.
        truth: [N, C] or [N] values, or [N] class indices.
        predictions: [R, N, C] or [R, N], one per seed; R is 1 for a single one. Classification
            must have no missing rows; a metric of regression deals with NaN itself.
        groups: [N] the group of each clip. None (or NaN) anywhere: no interval.
        outputs: C, columns or classes.
        draws: B, how many bootstrap draws.
        level: coverage that the interval aims at, between 0 and 1.
        seed: of the draws; the same seed gives the same groups for every metric.
        group_by: what a group is, for the record: ``speaker`` or ``clip``.

    Returns:
        Scores whose ``low`` and ``high`` are NaN where no interval could be made: groups unknown
        (``groups`` is 0, ``group_by`` empty), fewer than two groups, an undefined value, or draws
        that are all equal: a recall that is 0 in every draw is not known to be 0.
        Draws in which a value is NaN are counted in ``undefined`` and left out of its interval.

    Raises:
        BadData: the shapes of truth, predictions and groups do not belong together.
        AffectBenchError: ``draws`` or ``level`` is out of range.
    """
    if draws < 1 or not 0 < level < 1:
        raise AffectBenchError(
            f"draws is {draws} and level {level}; expected at least 1 draw and 0 < level < 1."
        )
    true, predicted = _shaped(metric, truth, predictions, outputs)
    if len(groups) != len(true):
        raise BadData(f"{len(groups):,} groups for {len(true):,} clips; expected one for each.")
    found, index = _indexed(groups)
    values = np.stack([metric.compute(true, one, outputs) for one in predicted])  # [R, C]
    combined = metric.combine(values)  # [R]
    made = draws if found > 1 else 0
    sampled = _sampled(metric, true, predicted, index, found, outputs, made, seed)
    scores = [
        _score(float(value), sampled[:, i], level, len(true), found, group_by if found else "")
        for i, value in enumerate((combined.mean(), *values.mean(axis=0)))
    ]
    return Intervals(
        score=scores[0], per_output=tuple(scores[1:]), per_seed=tuple(combined.tolist())
    )


def warn_few(score: Score) -> str | None:
    """A plain sentence where too few groups were resampled to trust the interval, else None."""
    if score.groups == 1:
        return f"There is only one {score.group_by}: no interval can be made."
    if 0 < score.groups < FEW:
        return (
            f"Only {score.groups} {score.group_by}s were resampled: with fewer than {FEW} the "
            f"interval is too narrow and misses the true value more often than 1 in "
            f"{1 / (1 - score.level):.0f} times."
        )
    return None


def _shaped(
    metric: Metric, truth: ArrayLike, predictions: ArrayLike, outputs: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Truth [N, C] or [N] and predictions with one more axis in front, checked."""
    true, predicted = np.asarray(truth), np.asarray(predictions)
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


def _indexed(groups: Sequence[Any] | NDArray[Any]) -> tuple[int, NDArray[np.intp]]:
    """How many groups there are, 0 where one is unknown, and the group index of each clip [N].

    Groups are numbered in sorted order, so that the order of the clips changes nothing.
    """
    if any(label is None or (isinstance(label, float) and isnan(label)) for label in groups):
        return 0, np.zeros(len(groups), dtype=np.intp)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    return len(names), index.astype(np.intp)


def draw_counts(rng: np.random.Generator, draws: int, groups: int) -> NDArray[Any]:
    """How often each draw takes each group, [B, G] in the smallest integers that hold G.

    The multinomial counts are tallied from drawn indices: the same distribution, and far cheaper
    than G binomials a draw. A fixed number of draws at a time, so that larger blocks, which hold
    a multiple of them, change nothing.
    """
    counts = np.empty((draws, groups), dtype=np.min_scalar_type(groups))
    for start in range(0, draws, TALLIED_AT_ONCE):
        rows = counts[start : start + TALLIED_AT_ONCE]
        cells = rng.integers(groups, size=rows.shape) + groups * np.arange(len(rows))[:, None]
        rows[:] = np.bincount(cells.ravel(), minlength=rows.size).reshape(rows.shape)
    return counts


def _sampled(
    metric: Metric,
    truth: NDArray[Any],
    predictions: NDArray[Any],
    index: NDArray[np.intp],
    groups: int,
    outputs: int,
    draws: int,
    seed: int,
) -> Floats:
    """The mean over seeds in each draw, [B, 1 + C]: the combined value, then each output."""
    rng = np.random.default_rng(seed)
    block = DRAWS_AT_ONCE
    if groups:
        fitting = COUNT_BYTES // (groups * np.min_scalar_type(groups).itemsize)
        block = max(TALLIED_AT_ONCE, min(block, fitting // TALLIED_AT_ONCE * TALLIED_AT_ONCE))
    sampled = np.empty((draws, 1 + outputs))
    for start in range(0, draws, block):
        counts = draw_counts(rng, min(block, draws - start), groups)
        each = np.stack(  # [R, B, C]
            [metric.resampled(truth, one, index, counts, outputs) for one in predictions]
        )
        rows = sampled[start : start + block]
        rows[:, 0] = metric.combine(each).mean(axis=0)
        rows[:, 1:] = each.mean(axis=0)
    return sampled


def _score(
    value: float, sampled: Floats, level: float, clips: int, groups: int, group_by: str
) -> Score:
    """The score whose draws are ``sampled`` [B]; B is 0 where no interval could be made."""
    defined = sampled[~np.isnan(sampled)]
    low = high = float("nan")
    if len(defined) and not isnan(value) and np.ptp(defined) > 0:  # equal draws show no spread
        low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2)).tolist()
    return Score(
        value=value,
        low=low,
        high=high,
        level=level,
        clips=clips,
        groups=groups,
        group_by=group_by,
        draws=len(sampled),
        undefined=len(sampled) - len(defined),
        method="percentile",
    )

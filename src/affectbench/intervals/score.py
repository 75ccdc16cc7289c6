"""The interval of a score, by group.

Clips of one speaker resemble each other, so resampling clips gives intervals that are too narrow
where speakers gave several. What is resampled is therefore groups, speakers by default, each with
all its clips (Davison and Hinkley 1997, section 3.8). How groups are drawn is in ``draws.py``, how
an interval is made of the draws in ``methods.py``, and how often it holds the true value in
``coverage.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData
from affectbench.intervals import methods
from affectbench.intervals.draws import Groups, bootstrapped, grouped, left_out
from affectbench.intervals.given import check_call, shaped
from affectbench.types import Floats, Metric, Score

UNKNOWN: Final = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """A score with its interval, and what it is made of, from the same draws."""

    score: Score  # the combined value: mean over seeds of the metric
    per_output: tuple[Score, ...]  # [C] per column, class or part: mean over seeds
    per_seed: tuple[float, ...]  # [R] the combined value of each seed


def bootstrap(  # noqa: PLR0913 - what is optional goes by name
    metric: Metric,
    truth: Any,
    predictions: Any,
    groups: Sequence[Any] | NDArray[Any],
    *,
    outputs: int | tuple[int, ...],
    draws: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    group_by: str = "speaker",
    method: str = "auto",
    strata: Sequence[Any] | NDArray[Any] | None = None,
) -> Intervals:
    """The score of one system with R seeds, and its interval by group.

    The score of a system is the mean over its seeds. Each draw takes as many groups as there are,
    with replacement, and scores every seed on the clips of those groups: the interval is that of
    the mean. It does not depend on the order of the clips, up to rounding.

    A metric with an interval of its own (``Metric.bounds``: ``spearman.official``) gets that one,
    whatever the groups and the method: for each output the mean over seeds of its bounds, for the
    score the mean of the lower and of the upper bounds. That is how it was published; it is not
    an interval of the mean. It resamples clips, at a level and in draws that are given with it.

    Args:
        metric: a row of ``METRICS``, of any kind but generation.
        truth: [N, C] or [N] values, or [N] class indices; a tuple of those, one a part, where the
            metric is composite.
        predictions: [R, N, C] or [R, N], one per seed; R is 1 for a single one. Composite: a tuple
            of those. Classification must have no missing rows; a metric of regression deals with
            NaN itself.
        groups: [N] the group of each clip. None (or NaN) anywhere: no interval.
        outputs: C, columns or classes; a tuple of them, one a part, where the metric is composite.
        draws: B, how many bootstrap draws.
        level: coverage that the interval aims at, between 0 and 1.
        seed: of the draws; the same seed gives the same groups for every metric.
        group_by: what a group is, for the record, in any word: ``speaker``, ``seed``, ``clip``.
        method: one of ``methods.METHODS``; ``auto`` chooses by the number of groups.
        strata: [N] the stratum of each clip, the same for all clips of a group; groups are then
            drawn within their stratum, as many as it has. None: not stratified.

    Returns:
        Scores whose ``low`` and ``high`` are NaN where no interval could be made: groups unknown
        (``groups`` is 0, ``group_by`` empty), fewer than two groups, an undefined value, or draws
        that are all equal: a recall that is 0 in every draw is not known to be 0. The jackknife
        and BCa make none either where a value is undefined without some group.
        Draws in which a value is NaN are counted in ``undefined`` and left out of its interval.
        The draws of a jackknife are the G values without one group each. Where published bounds
        are NaN, all their draws count as undefined: which of them are is not known.

    Raises:
        BadData: the shapes of truth, predictions, groups and strata do not belong together; a
            stratum is unknown, has a single group, or shares one with another.
        UnknownName: there is no such method.
        AffectBenchError: ``draws`` or ``level`` is out of range, or the metric is of generation.
    """
    check_call(metric, draws, level, method)
    true, predicted, clips = shaped(metric, truth, predictions, outputs)
    if len(groups) != clips:
        raise BadData(f"{len(groups):,} groups for {clips:,} clips; expected one for each.")
    values = np.stack([metric.compute(true, one, outputs) for one in predicted])  # [R, C]
    combined = metric.combine(values)  # [R]
    means = [float(combined.mean()), *values.mean(axis=0).tolist()]
    if metric.bounds is not None:
        scores = _published(metric, metric.bounds, true, predicted, means)
    else:
        found = grouped(groups, strata)
        chosen = methods.method_for(found.count) if method == "auto" else method
        table = _resampled(metric, true, predicted, outputs, found, chosen, draws, seed)
        scores = table.scores(means, level, clips, group_by)
    return Intervals(
        score=scores[0], per_output=tuple(scores[1:]), per_seed=tuple(combined.tolist())
    )


@dataclass(frozen=True, slots=True)
class _Resampled:
    """What the intervals of a metric are made of: the combined value first, then each output."""

    method: str
    groups: Groups
    draws: Floats  # [B, 1 + C]; B is 0 where none were made
    left_out: Floats  # [G, 1 + C]; G is 0 where the method does without
    ends: tuple[methods.Bounds, ...]  # [1 + C] of the scale of each value

    def scores(
        self, means: Sequence[float], level: float, clips: int, group_by: str
    ) -> list[Score]:
        """A score for each of ``means`` [1 + C]."""
        made = self.left_out if self.method == "jackknife" else self.draws
        undefined = np.isnan(made).sum(axis=0).tolist()
        scores = []
        for i, value in enumerate(means):
            low, high = self._bounds(i, value, level)
            scores.append(
                Score(
                    value=value,
                    low=low,
                    high=high,
                    level=level,
                    clips=clips,
                    groups=self.groups.count,
                    group_by=group_by if self.groups.count else "",
                    draws=len(made),
                    undefined=undefined[i],
                    method=self.method if len(made) else "",
                )
            )
        return scores

    def _bounds(self, i: int, value: float, level: float) -> methods.Bounds:
        """The interval of the i-th value."""
        strata, alone = self.groups.strata, self.left_out[:, i]
        if isnan(value):
            return methods.NO_BOUNDS
        if self.method == "jackknife" and len(alone):
            return methods.jackknife(value, alone, level, strata, self.ends[i])
        draws = self.draws[:, i]
        draws = draws[~np.isnan(draws)]
        if not len(draws) or not np.ptp(draws) > 0:  # equal draws show no spread
            return methods.NO_BOUNDS
        if self.method == "bca":
            return methods.bca(value, draws, alone, level, strata)
        if self.method == "expanded":
            return methods.expanded(draws, level, self.groups.count, self.groups.pots)
        return methods.percentile(draws, level)


def _resampled(
    metric: Metric,
    truth: Any,
    predictions: list[Any],
    outputs: Any,
    groups: Groups,
    method: str,
    draws: int,
    seed: int,
) -> _Resampled:
    """The values that the method needs: mean over seeds in each draw, or without each group."""

    def values(counts: NDArray[Any]) -> Floats:
        """[B, G] to [B, 1 + C]."""
        each = np.stack(  # [R, B, C]
            [metric.resampled(truth, one, groups.index, counts, outputs) for one in predictions]
        )
        combined = metric.combine(each).mean(axis=0)
        return np.concatenate([combined[:, None], each.mean(axis=0)], axis=1)

    parts = metric.parts or (metric,) * (outputs if isinstance(outputs, int) else 1)
    ends = tuple((min(one.low, one.high), max(one.low, one.high)) for one in (metric, *parts))
    none = np.empty((0, len(ends)))
    some = groups.count > 1
    drawn = some and method != "jackknife"
    alone = some and method in ("jackknife", "bca")
    return _Resampled(
        method=method,
        groups=groups,
        draws=bootstrapped(values, groups, draws, seed) if drawn else none,
        left_out=left_out(values, groups) if alone else none,
        ends=ends,
    )


def _published(
    metric: Metric, bounds_of: Any, truth: Any, predictions: list[Any], means: Sequence[float]
) -> list[Score]:
    """Scores with the interval that was published with the measure, [1 + C]."""
    each = np.array([bounds_of(truth, one) for one in predictions])  # [R, 2, C]
    bounds = each.mean(axis=0)
    bounds = np.concatenate([bounds.mean(axis=1, keepdims=True), bounds], axis=1)
    scores = []
    for value, (low, high) in zip(means, bounds.T.tolist(), strict=True):
        known = not (isnan(value) or isnan(low) or isnan(high))
        scores.append(
            Score(
                value=value,
                low=low if known else UNKNOWN,
                high=high if known else UNKNOWN,
                level=metric.bounds_level,
                clips=len(truth),
                groups=len(truth),
                group_by="clip",
                draws=metric.bounds_draws,
                undefined=0 if known else metric.bounds_draws,
                method="published",
            )
        )
    return scores

"""Two systems on the same clips: is the difference real?

The interval of the difference, and how often the first system is better, come from bootstrap draws
of groups in which both are scored on the same clips; the p-value from ``permutation.py``. All of it
speaks of other speakers of the same kind, for the systems as they were trained: a few seeds tell
little about what training again would give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData
from affectbench.intervals import methods
from affectbench.intervals.draws import Groups, bootstrapped, grouped, left_out
from affectbench.intervals.given import check_call, shaped
from affectbench.intervals.permutation import ROUNDING, Permuted, permuted
from affectbench.types import Floats, Metric

NO_ENDS: Final = (float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two systems on the same clips."""

    metric: str  # "ccc.population"
    higher_is_better: bool
    first: float  # mean over seeds
    second: float
    difference: float  # first - second, in the unit of the metric
    low: float
    high: float
    level: float
    method: str  # of the interval, see intervals.methods; "" where none could be made
    superiority: float  # share of the draws in which the first is better; an equal draw is a half
    correlation: float  # of the two values over the draws: what ``smallest_detectable`` asks for
    draws: int
    undefined: int  # draws in which either has no value
    p: float  # two-sided
    permutations: int  # defined ones; 0 where there is no p
    exact: bool  # whether these are all that there are
    undefined_permutations: int
    clips: int
    groups: int  # 0 where unknown
    group_by: str  # "" where unknown
    unmatched: int  # labels left out of both, since a system has no prediction of them

    @property
    def significant(self) -> bool:
        """Whether p is 1 - level or less."""
        return self.p <= 1 - self.level + ROUNDING

    @property
    def better(self) -> str:
        """``first`` or ``second``, by value alone; empty where equal or undefined."""
        if isnan(self.difference) or self.difference == 0:
            return ""
        return "first" if (self.difference > 0) == self.higher_is_better else "second"


def compare(  # noqa: PLR0913 - what is optional goes by name
    metric: Metric,
    truth: Any,
    first: Any,
    second: Any,
    groups: Sequence[Any] | NDArray[Any],
    *,
    outputs: int | tuple[int, ...],
    draws: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    group_by: str = "speaker",
) -> Comparison:
    """Two systems on the same clips in the same order.

    A system's value is the mean over its seeds, and all its seeds swap together in a permutation.

    Args:
        metric: a row of ``METRICS``, of any kind but generation.
        truth: as ``bootstrap`` takes it.
        first: predictions of the first system, [R, N, C] or [R, N]; composite: a tuple of those.
        second: of the second system; it may have another number of seeds.
        groups: [N] the group of each clip. None or NaN anywhere: neither interval nor p.
        outputs: C, columns or classes; composite: a tuple.
        draws: bootstrap draws, and permutations, or all permutations where there are no more.
        level: coverage of the interval; p is significant at 1 - level.
        seed: of the draws and the permutations.
        group_by: what a group is, for the record.

    Returns:
        NaN for what is undefined: all but the values where one of them is; interval and p with
        fewer than two groups; the interval where the difference does not vary. Undefined draws and
        permutations are counted and left out. The smallest p that there can be is 2 / 2**G with G
        groups, or 1 / (1 + draws).

    Raises:
        BadData: shapes of truth, predictions and groups do not belong together.
        AffectBenchError: ``draws`` or ``level`` is out of range, or the metric is of generation.
    """
    check_call(metric, draws, level, "auto")
    both = Systems(metric, truth, [first, second], groups, outputs=outputs)
    tables = both.resampled(draws, seed)
    return both.compared(
        0, 1, tables, permutations=draws, level=level, seed=seed, group_by=group_by
    )


@dataclass(frozen=True, slots=True)
class Tables:
    """Values of S systems when groups are resampled."""

    draws: Floats  # [B, S] of the bootstrap; B is 0 where there are fewer than two groups
    left_out: Floats  # [G, S] without one group each; G is 0 where the interval does without


class Systems:
    """Predictions of the same clips by several systems, checked.

    A label of which any system has no prediction in some seed is left out of all of them.
    """

    def __init__(
        self,
        metric: Metric,
        truth: Any,
        predictions: Sequence[Any],
        groups: Sequence[Any] | NDArray[Any],
        *,
        outputs: Any,
    ) -> None:
        given = [shaped(metric, truth, each, outputs) for each in predictions]
        self.metric, self.outputs = metric, outputs
        self.truth, _, self.clips = given[0]
        if len(groups) != self.clips:
            raise BadData(
                f"{len(groups):,} groups for {self.clips:,} clips; expected one for each."
            )
        self.groups = grouped(groups)
        self.seeds, self.unmatched = _matched(metric, self.truth, [each[1] for each in given])
        self.values = [self._value(seeds) for seeds in self.seeds]

    def _value(self, seeds: Sequence[Any]) -> float:
        """Mean over the seeds of the combined value."""
        each = np.stack([self.metric.compute(self.truth, one, self.outputs) for one in seeds])
        return float(self.metric.combine(each).mean())

    def _drawn(self, counts: NDArray[Any]) -> Floats:
        """The same of each draw and system, [B, G] to [B, S]."""
        metric, index = self.metric, self.groups.index
        columns = []
        for seeds in self.seeds:
            each = [metric.resampled(self.truth, one, index, counts, self.outputs) for one in seeds]
            columns.append(metric.combine(np.stack(each)).mean(axis=0))
        return np.stack(columns, axis=1)

    def resampled(self, draws: int, seed: int) -> Tables:
        """What the intervals of all differences are made of."""
        none = np.empty((0, len(self.seeds)))
        if self.groups.count < 2:
            return Tables(none, none)
        jackknife = methods.method_for(self.groups.count) == "jackknife"
        return Tables(
            bootstrapped(self._drawn, self.groups, draws, seed),
            left_out(self._drawn, self.groups) if jackknife else none,
        )

    def compared(
        self,
        first: int,
        second: int,
        tables: Tables,
        *,
        permutations: int,
        level: float,
        seed: int,
        group_by: str,
    ) -> Comparison:
        """The comparison of two of the systems."""
        value, other = self.values[first], self.values[second]
        difference = value - other
        pair = tables.draws[:, [first, second]]
        pair = pair[~np.isnan(pair).any(axis=1)]
        found = Permuted()
        if self.groups.count > 1 and not isnan(difference):
            found = permuted(
                self.metric,
                self.truth,
                self.seeds[first],
                self.seeds[second],
                self.groups,
                outputs=self.outputs,
                permutations=permutations,
                seed=seed,
            )
        sign = 1 if self.metric.high > self.metric.low else -1
        drawn = pair[:, 0] - pair[:, 1]
        alone = tables.left_out[:, first] - tables.left_out[:, second]
        low, high = _bounds(difference, drawn, alone, level, self.groups)
        return Comparison(
            metric=self.metric.key,
            higher_is_better=sign > 0,
            first=value,
            second=other,
            difference=difference,
            low=low,
            high=high,
            level=level,
            method=methods.method_for(self.groups.count) if len(tables.draws) else "",
            superiority=_superiority(sign * drawn),
            correlation=correlation_of(*pair.T),
            draws=len(tables.draws),
            undefined=len(tables.draws) - len(pair),
            p=found.p,
            permutations=found.permutations,
            exact=found.exact,
            undefined_permutations=found.undefined,
            clips=self.clips,
            groups=self.groups.count,
            group_by=group_by if self.groups.count else "",
            unmatched=self.unmatched,
        )


def _bounds(
    difference: float, draws: Floats, alone: Floats, level: float, groups: Groups
) -> methods.Bounds:
    """The interval of the difference, by the method that ``auto`` is for a score.

    Args:
        difference: its value.
        draws: [B] its defined draws.
        alone: [G] its values without one group each, where the method takes them.
        level: coverage.
        groups: what was resampled.
    """
    if isnan(difference) or not len(draws) or not np.ptp(draws) > 0:
        return methods.NO_BOUNDS
    if len(alone):
        return methods.jackknife(difference, alone, level, groups.strata, NO_ENDS)
    return methods.expanded(draws, level, groups.count)


def _superiority(advantage: Floats) -> float:
    """Share of the draws [B] above 0, those at 0 as a half; NaN where there is none."""
    if not len(advantage):
        return nan
    return float((np.sign(advantage).mean() + 1) / 2)


def correlation_of(first: Floats, second: Floats) -> float:
    """Of values [B] over the draws in which both are defined; NaN where one does not vary."""
    both = np.stack([first, second])
    both = both[:, ~np.isnan(both).any(axis=0)]
    if not both.shape[1] or not (np.ptp(both, axis=1) > 0).all():
        return nan
    return float(np.corrcoef(both[0], both[1])[0, 1])


def _matched(
    metric: Metric, truth: Any, systems: Sequence[Sequence[Any]]
) -> tuple[list[list[Any]], int]:
    """Predictions, NaN for all systems where they are for one, and how many labels that takes.

    Args:
        metric: tells which predictions are numbers: classes are never missing.
        truth: as the metric takes it.
        systems: for each system its seeds.
    """
    if metric.kind == "composite":
        parts = [
            _matched(part, truth[k], [[one[k] for one in seeds] for seeds in systems])
            for k, part in enumerate(metric.parts)
        ]
        joined = [
            list(zip(*(matched[s] for matched, _ in parts), strict=True))
            for s in range(len(systems))
        ]
        return joined, sum(count for _, count in parts)
    if metric.kind == "classification":
        return [list(seeds) for seeds in systems], 0
    numbers = [[np.asarray(one, dtype=np.float64) for one in seeds] for seeds in systems]
    missing = np.any([np.isnan(one) for seeds in numbers for one in seeds], axis=0)
    known = ~np.isnan(np.asarray(truth, dtype=np.float64))
    masked = [[np.where(missing, np.nan, one) for one in seeds] for seeds in numbers]
    return masked, int((missing & known).sum())

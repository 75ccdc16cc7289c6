"""How small a difference could a test set show?

The system is set against rivals that are made from its own predictions. A rival errs as often and
as badly, but elsewhere: each group gets the errors of another group, so that what the clips of a
group have in common stays in common. Some groups keep the system's errors, so many that the scores
of system and rival move together as asked (``correlation``). Then the rivals are made better step
by step. The smallest detectable difference is the one that a two-sided test by group finds with the
probability ``power``: Student's quantiles of level and power, times the standard error of the
difference that the bootstrap by group tells (Cohen 1988, Statistical Power Analysis, section 2.3).

That takes for granted that differences are about normal, that rivals err in the same manner, and
that other speakers are like these. Rivals of the size that it gives for a power of 80 % were found
in 72 to 92 % of simulated test sets of 10 to 200 speakers (``benchmarks/comparisons.py``). With ten
speakers the size itself varies by 15 to 45 % from one test set to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals.draws import Groups, draw_counts, grouped
from affectbench.intervals.given import check_call, shaped
from affectbench.intervals.paired import correlation_of
from affectbench.intervals.rivals import make_rival
from affectbench.types import Floats, Metric

RIVALS: Final = 10  # over which gains and variances are averaged
STEPS: Final = np.linspace(0, 1, 21) ** 2  # of the way to a rival without errors
ROUNDS: Final = 3  # the standard error hardly depends on how much better a rival is


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """The smallest difference to a rival that a test set shows, and what it rests on."""

    metric: str
    difference: float  # 0 or more; NaN where undefined, or where not even a perfect rival shows
    value: float  # of the system
    power: float
    level: float
    correlation: float  # of the scores of system and rivals over the draws, as it came out
    clips: int
    groups: int  # 0 where unknown
    draws: int  # of each rival


def smallest_detectable(  # noqa: PLR0913 - what is optional goes by name
    metric: Metric,
    truth: Any,
    predictions: Any,
    groups: Sequence[Any] | NDArray[Any],
    *,
    outputs: int | tuple[int, ...],
    power: float = 0.8,
    level: float = 0.95,
    correlation: float = 0.5,
    draws: int = 200,
    seed: int = 0,
) -> Detectable:
    """The smallest difference between this system and a better one that this test set would show.

    Args:
        metric: a row of ``METRICS``, of any kind but generation.
        truth: as ``bootstrap`` takes it.
        predictions: of the system, one a seed, as ``bootstrap`` takes them.
        groups: [N] the group of each clip. None or NaN anywhere: undefined.
        outputs: C, columns or classes; composite: a tuple.
        power: probability of finding the difference, between 1 - level and 1.
        level: 1 - the significance that the test asks for.
        correlation: how far the scores of the two systems go up and down together over test sets,
            0 or more and below 1. ``Comparison.correlation`` measures it for two real systems. At
            .5, which stands for systems that are neither strangers nor siblings, a difference is
            about as uncertain as a score; at .875 half as uncertain.
        draws: of the bootstrap, for each of ``RIVALS`` rivals.
        seed: of rivals and draws.

    Returns:
        NaN with fewer than two groups or an undefined value. Clips that are difficult for every
        system make scores go together; where that is more than ``correlation`` asks for, it is
        what ``Detectable.correlation`` says. A clip with a missing label or prediction keeps its
        error in all rivals.

    Raises:
        BadData: shapes of truth, predictions and groups do not belong together.
        AffectBenchError: ``draws``, ``level``, ``power`` or ``correlation`` is out of range, or the
            metric is of generation.
    """
    check_call(metric, draws, level, "auto")
    if not 1 - level < power < 1 or not 0 <= correlation < 1 or draws < 2:
        raise AffectBenchError(
            f"power is {power}, correlation {correlation} and draws {draws}; expected a power "
            f"between {1 - level:.3g} and 1, a correlation of 0 or more and below 1, and 2 draws."
        )
    true, seeds, clips = shaped(metric, truth, predictions, outputs)
    if len(groups) != clips:
        raise BadData(f"{len(groups):,} groups for {clips:,} clips; expected one for each.")
    field = _Field(metric, true, seeds, grouped(groups), outputs, draws, seed)
    value = field.value(seeds)
    difference, reached = nan, nan
    if field.groups.count > 1 and not isnan(value):
        difference, reached = field.search(_factor(field.groups.count, power, level), correlation)
    return Detectable(
        metric=metric.key,
        difference=difference,
        value=value,
        power=power,
        level=level,
        correlation=reached,
        clips=clips,
        groups=field.groups.count,
        draws=draws if field.groups.count > 1 else 0,
    )


class _Field:
    """A system, its rivals, and the draws of groups in which all of them are scored."""

    def __init__(
        self,
        metric: Metric,
        truth: Any,
        seeds: Sequence[Any],
        groups: Groups,
        outputs: Any,
        draws: int,
        seed: int,
    ) -> None:
        self.metric, self.truth, self.seeds = metric, truth, seeds
        self.groups, self.outputs = groups, outputs
        rng = np.random.default_rng(seed)
        if groups.count > 1:
            self.counts = draw_counts(rng, draws, groups.count)
            self.rivals = [make_rival(metric, truth, seeds, groups, rng) for _ in range(RIVALS)]

    def value(self, seeds: Sequence[Any]) -> float:
        """Mean over seeds of the combined value."""
        each = np.stack([self.metric.compute(self.truth, one, self.outputs) for one in seeds])
        return float(self.metric.combine(each).mean())

    def drawn(self, seeds: Sequence[Any]) -> Floats:
        """The same in each draw, [B]."""
        metric, index = self.metric, self.groups.index
        each = [
            metric.resampled(self.truth, one, index, self.counts, self.outputs) for one in seeds
        ]
        return np.asarray(metric.combine(np.stack(each)).mean(axis=0))

    def search(self, factor: float, correlation: float) -> tuple[float, float]:
        """The difference that is ``factor`` times its own standard error, and what correlates."""
        own = self.drawn(self.seeds)
        apart = self._variance(own, kept=0, better=0)
        if not apart > 0:  # NaN, or a system whose errors are the same everywhere
            return nan, nan
        kept = min(max(1 - 2 * (1 - correlation) * _variance(own) / apart, 0), 1)
        gains = self._gains(kept)
        better = 0.0
        for _ in range(ROUNDS):
            needed = factor * sqrt(self._variance(own, kept=kept, better=better))
            better = float(np.interp(needed, gains, STEPS))
        return needed if needed < gains[-1] else nan, self._correlation(own, kept)

    def _variance(self, own: Floats, *, kept: float, better: float) -> float:
        """Variance over draws of the difference to the system, mean over the rivals."""
        rivals = [self.drawn(rival.predictions(kept, better)) for rival in self.rivals]
        return float(np.mean([_variance(rival - own) for rival in rivals]))

    def _gains(self, kept: float) -> Floats:
        """How much better rivals get in ``STEPS``, mean over the rivals; 0 at first."""
        sign = 1 if self.metric.high > self.metric.low else -1
        values = [
            np.mean([self.value(rival.predictions(kept, better)) for rival in self.rivals])
            for better in STEPS
        ]
        return np.maximum.accumulate(sign * (np.array(values) - values[0]))

    def _correlation(self, own: Floats, kept: float) -> float:
        """Of the scores of system and rival over the draws, mean over the rivals."""
        rivals = [self.drawn(rival.predictions(kept, 0)) for rival in self.rivals]
        return float(np.mean([correlation_of(own, rival) for rival in rivals]))


def _variance(draws: Floats) -> float:
    """Of the defined draws; NaN where there are fewer than two."""
    defined = draws[~np.isnan(draws)]
    return float(defined.var(ddof=1)) if len(defined) > 1 else nan


def _factor(groups: int, power: float, level: float) -> float:
    """How many standard errors, as the bootstrap tells them, a difference must be."""
    from scipy.special import stdtrit

    free = groups - 1
    quantiles = stdtrit(free, (1 + level) / 2) + stdtrit(free, power)
    return float(quantiles * sqrt(groups / free))

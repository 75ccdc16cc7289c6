"""Intervals from resampled values: four methods, and the rule that chooses between two of them.

    expanded    percentiles of the bootstrap, further out by what G groups lack: the levels of the
                quantiles are those of Student's t with G - 1 degrees of freedom times
                sqrt(G / (G - 1)) (Hesterberg 2015, doi:10.1080/00031305.2015.1089789)
    jackknife   value and Student's t times the standard error from leaving one group out at a
                time, on a scale without ends: Fisher's z of a correlation, the logit of a share,
                the logarithm of an error (Tukey 1958; Miller 1974, doi:10.1093/biomet/61.1.1; for
                few and unequal groups MacKinnon, Nielsen and Webb 2023, arXiv:2301.04527)
    percentile  percentiles of the bootstrap (Efron and Tibshirani 1993, chapter 13)
    bca         percentiles corrected for bias and acceleration (Efron 1987,
                doi:10.1080/01621459.1987.10478410; in strata Davison and Hinkley 1997, 5.3.2)

``auto``: from ``BOOTSTRAP_FROM`` groups on it is ``expanded``. With fewer, where draws do not reach
as far as the truth may lie, the more so the fewer or the more unequal the groups, ``jackknife``.
``coverage.py`` has what each was measured to cover.

With strata, groups are compared within their stratum, and G - 1 is groups less strata.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectbench.types import Floats, Score

METHODS: Final = ("auto", "expanded", "jackknife", "percentile", "bca")
BOOTSTRAP_FROM: Final = 100  # groups; benchmarks/interval_coverage.py
Bounds = tuple[float, float]
NO_BOUNDS: Final[Bounds] = (float("nan"), float("nan"))


def method_for(groups: int) -> str:
    """What ``auto`` is for that many groups."""
    return "expanded" if groups >= BOOTSTRAP_FROM else "jackknife"


def described(score: Score) -> str:
    """How the interval of a score was made: ``95%, expanded bootstrap, 10,000 draws of ...``."""
    groups = f"{score.groups:,} {score.group_by}s"
    if not score.draws:
        return "none"
    if score.method == "jackknife":
        return f"{score.level:.0%}, jackknife with Student's t, one of {groups} left out at a time"
    name = score.method if score.method == "published" else f"{score.method} bootstrap"
    return f"{score.level:.0%}, {name}, {score.draws:,} draws of {groups}"


def percentile(draws: Floats, level: float) -> Bounds:
    """Percentile interval of draws [B], at least one and none of them NaN."""
    low, high = np.quantile(draws, _tails(level)).tolist()
    return low, high


def expanded(draws: Floats, level: float, groups: int, strata: int = 1) -> Bounds:
    """Expanded percentile interval.

    Args:
        draws: [B] values, at least one and none of them NaN.
        level: coverage that it aims at.
        groups: G, more than there are strata.
        strata: within which groups were drawn; 1 where they were not.

    Returns:
        Low and high. With very few groups they are the smallest and the largest draw, which is
        still too narrow: the value of the group that is furthest out is all that a draw can reach.
    """
    from scipy.special import ndtr, stdtrit

    free = groups - strata
    levels = ndtr(stdtrit(free, _tails(level)) * np.sqrt(groups / free))
    low, high = np.quantile(draws, levels).tolist()
    return low, high


def bca(
    value: float, draws: Floats, left_out: Floats, level: float, strata: NDArray[np.intp]
) -> Bounds:
    """BCa interval: bias-corrected and accelerated.

    Args:
        value: of the sample.
        draws: [B] values, none of them NaN.
        left_out: [G] values without one group each.
        level: coverage that it aims at.
        strata: [G] stratum of each group.

    Returns:
        Low and high; NaN where the value lies outside of all draws, where it is undefined without
        some group, or where the correction has no solution.
    """
    from scipy.special import ndtr, ndtri

    pulls = _pulls(left_out, strata)
    spread = (pulls**2).sum()
    below = (np.mean(draws < value) + np.mean(draws <= value)) / 2
    if not spread > 0 or not 0 < below < 1:  # NaN is not above 0
        return NO_BOUNDS
    acceleration = (pulls**3).sum() / (6 * spread**1.5)
    shift = ndtri(below) + ndtri(_tails(level))
    if not (acceleration * shift < 1).all():
        return NO_BOUNDS
    levels = ndtr(ndtri(below) + shift / (1 - acceleration * shift))
    low, high = np.quantile(draws, levels).tolist()
    return low, high


def jackknife(
    value: float, left_out: Floats, level: float, strata: NDArray[np.intp], ends: Bounds
) -> Bounds:
    """Student's t interval from leaving one group out at a time, within the ends of the scale.

    Args:
        value: of the sample.
        left_out: [G] values without one group each.
        level: coverage that it aims at.
        strata: [G] stratum of each group.
        ends: lowest and highest value that there is; infinite where there is none.

    Returns:
        Low and high; NaN where the value is undefined without some group (a single group makes
        it), is the same without any, or lies at an end.
    """
    from scipy.special import stdtrit

    groups = np.bincount(strata)
    shares = (groups / (groups - 1))[strata]
    error = float(np.sqrt((_pulls(left_out, strata) ** 2 * shares).sum()))
    if not error > 0 or not ends[0] < value < ends[1]:
        return NO_BOUNDS
    reach = stdtrit(len(left_out) - len(groups), _tails(level)) * error
    low, high = _beyond(value, reach, ends).tolist()
    return low, high


def _tails(level: float) -> Floats:
    """The two levels of the quantiles, [2]."""
    return np.array([(1 - level) / 2, (1 + level) / 2])


def _pulls(left_out: Floats, strata: NDArray[np.intp]) -> Floats:
    """How far each group pulls the value, [G]: empirical influence over the size of its stratum."""
    groups = np.bincount(strata)
    means = np.bincount(strata, weights=left_out) / groups
    return np.asarray((means[strata] - left_out) * ((groups - 1) / groups)[strata])


def _beyond(value: float, reach: Floats, ends: Bounds) -> Floats:
    """``value + reach`` [2], bent so that it stays between the ends.

    The step is taken on the logit (or the logarithm, where one end is infinite), at the slope that
    it has at the value.
    """
    low, high = ends
    if np.isinf(low) and np.isinf(high):
        return value + reach
    with np.errstate(over="ignore"):  # so far that it is the end
        if np.isinf(high):
            return np.asarray(low + (value - low) * np.exp(reach / (value - low)))
        if np.isinf(low):
            return np.asarray(high - (high - value) * np.exp(-reach / (high - value)))
        odds = (high - value) / (value - low)
        step = reach * (high - low) / ((value - low) * (high - value))
        return np.asarray(low + (high - low) / (1 + odds * np.exp(-step)))

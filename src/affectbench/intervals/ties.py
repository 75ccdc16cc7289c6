"""Many systems on the same clips: which differences are real, and which places are shared?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals.given import check_call
from affectbench.intervals.paired import Comparison, Systems
from affectbench.intervals.permutation import ROUNDING, enumerable
from affectbench.types import Floats, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two of several systems, the one with the better value first."""

    first: str
    second: str
    comparison: Comparison
    adjusted: float  # p corrected for the number of pairs; NaN where undefined

    @property
    def significant(self) -> bool:
        """Whether the corrected p is 1 - level or less."""
        return self.adjusted <= 1 - self.comparison.level + ROUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A system's value and the ranks that it may have."""

    system: str
    value: float
    best: int | None  # 1 + how many systems are significantly better; None: value undefined
    worst: int | None  # how many systems, itself among them, are not significantly worse

    @property
    def ranks(self) -> tuple[int, int] | None:
        """The best and the worst rank; None where the value is undefined."""
        return None if self.best is None or self.worst is None else (self.best, self.worst)

    @property
    def tied_first(self) -> bool:
        """Whether no system is significantly better."""
        return self.best == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """All pairs of several systems, and what they say of the ranks."""

    pairs: tuple[Pair, ...]
    standings: tuple[Standing, ...]  # the best value first, undefined ones last


def compare_all(  # noqa: PLR0913 - what is optional goes by name
    metric: Metric,
    truth: Any,
    systems: Mapping[str, Any],
    groups: Sequence[Any] | NDArray[Any],
    *,
    outputs: int | tuple[int, ...],
    draws: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    group_by: str = "speaker",
) -> Comparisons:
    """Every system against every other on the same clips, and the ranks that each may have.

    The p-values of all pairs are corrected together (``holm``): the probability of even one false
    difference is 1 - level at most. A system's range of ranks leaves out the places above systems
    that are significantly better and below those that are significantly worse; all ranges together
    hold the true ranks with the probability ``level`` (Mogstad, Romano, Shaikh and Wilhelm 2024,
    doi:10.1093/restud/rdad006). Systems whose range starts at 1 are tied for the first place. Two
    systems may share a place with a third and yet differ: so there are ranges, and no classes.

    Args:
        metric: these four, ``outputs`` and the others as for ``compare``.
        truth: the labels.
        systems: predictions by name, two systems or more.
        groups: [N] the group of each clip.
        outputs: C.
        draws: of the bootstrap, and permutations of each pair.
        level: of the intervals and the ranks.
        seed: of the draws and the permutations.
        group_by: what a group is.

    Returns:
        A label of which any of the systems has no prediction is left out of all of them. A pair
        with an undefined p is never significant and is not counted by the correction.

    Raises:
        BadData: as ``compare``.
        AffectBenchError: as ``compare``, and for fewer than two systems, or for so few draws that
            the smallest p would not be significant among that many pairs.
    """
    check_call(metric, draws, level, "auto")
    names = list(systems)
    if len(names) < 2:
        raise AffectBenchError(f"{len(names)} systems were given; expected two or more to compare.")
    every = Systems(metric, truth, [systems[name] for name in names], groups, outputs=outputs)
    order = sorted(range(len(names)), key=lambda i: _merit(metric, every.values[i]))
    _check_draws(len(names), every.groups.count, draws, level)
    tables = every.resampled(draws, seed)
    found = {
        (i, j): every.compared(
            i, j, tables, permutations=draws, level=level, seed=seed, group_by=group_by
        )
        for i, j in combinations(order, 2)
    }
    adjusted = holm([comparison.p for comparison in found.values()])
    pairs = tuple(
        Pair(first=names[i], second=names[j], comparison=comparison, adjusted=p)
        for ((i, j), comparison), p in zip(found.items(), adjusted.tolist(), strict=True)
    )
    values = [(names[i], every.values[i]) for i in order]
    return Comparisons(pairs=pairs, standings=_standings(values, pairs))


def holm(p_values: ArrayLike) -> Floats:
    """P-values [M] corrected for their number: the smallest M-fold, the next (M - 1)-fold, ...

    Args:
        p_values: NaN stays NaN and does not count in M.

    Returns:
        [M] values in 0..1, in the given order and never in another than the given ones.

    Raises:
        BadData: they are no vector, or outside 0..1.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = p[~np.isnan(p)]
    if p.ndim != 1 or (known < 0).any() or (known > 1).any():
        raise BadData(f"Found p-values of the shape {p.shape}; expected a vector [M] in 0..1.")
    order = np.argsort(known, kind="stable")
    times = np.arange(len(known), 0, -1)
    corrected = np.empty(len(known))
    corrected[order] = np.minimum(np.maximum.accumulate(known[order] * times), 1.0)
    adjusted = np.full(len(p), np.nan)
    adjusted[~np.isnan(p)] = corrected
    return adjusted


def _merit(metric: Metric, value: float) -> tuple[bool, float]:
    """A key that sorts the best value first and undefined ones last."""
    if isnan(value):
        return True, 0.0
    return False, -value if metric.high > metric.low else value


def _check_draws(systems: int, groups: int, draws: int, level: float) -> None:
    """Whether the smallest p that so many permutations can give would be significant."""
    pairs = systems * (systems - 1) // 2
    needed = round(pairs / (1 - level))
    if groups > 1 and not enumerable(groups, draws) and 1 + draws < needed:
        raise AffectBenchError(
            f"With {draws:,} draws no difference could be significant among {pairs:,} pairs of "
            f"systems. Take {needed:,} draws or more, or compare fewer systems."
        )


def _standings(values: Sequence[tuple[str, float]], pairs: Sequence[Pair]) -> tuple[Standing, ...]:
    """Ranks of systems whose values are in order; of a pair the first is the better."""
    defined = sum(not isnan(value) for _, value in values)
    told = [pair for pair in pairs if pair.significant]
    standings = []
    for system, value in values:
        above = sum(pair.second == system for pair in told)
        below = sum(pair.first == system for pair in told)
        best, worst = (None, None) if isnan(value) else (1 + above, defined - below)
        standings.append(Standing(system=system, value=value, best=best, worst=worst))
    return tuple(standings)

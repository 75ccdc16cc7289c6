"""A score by country, sex, age band, role or speaker, and whether the gap between them is chance.

Small groups differ by chance alone, and the more there are the further the best is from the worst.
The gap is therefore set against those of a model that ignores the group (``envelope.py``). A gap
beyond them is no chance, which does not make it the model's doing: where the truth of a group
varies less, a CCC is lower with errors of the same size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isnan, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals.draws import grouped
from affectbench.intervals.envelope import Chance, of_clips
from affectbench.intervals.given import check_call, shaped
from affectbench.intervals.permutation import ROUNDING
from affectbench.intervals.score import bootstrap
from affectbench.types import Floats, Metric, Score

DECADE: Final = 10  # years


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group: its name, and its score, which counts its clips and speakers."""

    name: str
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """The groups of a label, and the gap between the best and the worst of them."""

    metric: str
    groups: tuple[Group, ...]  # by name
    best: str  # name; empty where fewer than two groups have a value
    worst: str
    gap: float  # 0 or more; NaN where fewer than two groups have a value
    envelope: float  # a model that ignores the group stays within it with probability ``level``
    p: float  # probability that its gap is this large or larger
    level: float
    permuted: str  # what got other labels: "speakers", "clips", ...; empty where there is no p
    permutations: int  # in which two groups or more have a value
    undefined_permutations: int
    undefined: tuple[str, ...]  # groups without a value: too small, or without spread
    unlabelled: int  # clips of no known group, left out

    @property
    def beyond_chance(self) -> bool:
        """Whether the gap is larger than the envelope."""
        return self.gap > self.envelope


def by_group(  # noqa: PLR0913 - what is optional goes by name
    metric: Metric,
    truth: Any,
    predictions: Any,
    labels: Sequence[Any] | NDArray[Any],
    units: Sequence[Any] | NDArray[Any],
    *,
    outputs: int | tuple[int, ...],
    draws: int = 10_000,
    permutations: int = 1_000,
    level: float = 0.95,
    seed: int = 0,
    unit: str = "speaker",
) -> GroupReport:
    """The score of each group, the worst of them, and the gap against chance.

    Who gets another label in a permutation depends on what the label belongs to:

    - to a speaker (country, sex, age): whole speakers, as many a group as there are;
    - to a clip (role, sentence): the clips of each speaker, among themselves;
    - it is the speaker: all clips, as many a speaker as there are.

    The last two sort the clips anew in each permutation, which takes longer.

    Args:
        metric: a row of ``METRICS``, of any kind but generation.
        truth: as ``bootstrap`` takes it.
        predictions: of the system, one a seed, as ``bootstrap`` takes them.
        labels: [N] the group of each clip; None or NaN where it is not known.
        units: [N] the speaker of each clip. None or NaN anywhere: neither intervals nor envelope.
        outputs: C, columns or classes; composite: a tuple.
        draws: of the bootstrap, for the intervals of the groups.
        permutations: for the envelope; 0: none.
        level: of the intervals, and of the envelope.
        seed: of draws and permutations.
        unit: what a unit is, for the record.

    Returns:
        NaN for what is undefined. Groups without a value are named and have no part in the gap.

    Raises:
        BadData: shapes of truth, predictions, labels and units do not belong together.
        AffectBenchError: ``draws``, ``permutations`` or ``level`` is out of range, or the metric
            is of generation.
    """
    check_call(metric, draws, level, "auto")
    if permutations < 0:
        raise AffectBenchError(f"permutations is {permutations}; expected 0 or more.")
    true, seeds, clips = shaped(metric, truth, predictions, outputs)
    if not len(labels) == len(units) == clips:
        raise BadData(
            f"{len(labels):,} labels and {len(units):,} {unit}s for {clips:,} clips; "
            "expected one of both for each."
        )
    rows_of = _rows_of_groups(labels)
    groups = []
    for name, rows in rows_of.items():
        score = bootstrap(
            metric,
            of_clips(truth, rows),
            of_clips(predictions, rows, axis=1),
            [units[i] for i in rows],
            outputs=outputs,
            draws=draws,
            level=level,
            seed=seed,
            group_by=unit,
        ).score
        groups.append(Group(name=name, score=score))
    ranked = _ranked(metric, groups)
    chance = _chance(metric, true, seeds, outputs, [rows_of[g.name] for g in ranked], units)
    gaps = chance.gaps(permutations, seed) if chance and permutations else np.empty(0)
    drawn = gaps[1:][~np.isnan(gaps[1:])]
    return GroupReport(
        metric=metric.key,
        groups=tuple(groups),
        best=ranked[0].name if len(ranked) > 1 else "",
        worst=ranked[-1].name if len(ranked) > 1 else "",
        gap=abs(ranked[0].score.value - ranked[-1].score.value) if len(ranked) > 1 else nan,
        envelope=float(np.quantile(drawn, level)) if len(drawn) else nan,
        p=_share_as_large(gaps[0], drawn) if len(drawn) else nan,
        level=level,
        permuted=chance.permuted.replace("unit", unit) if chance and len(gaps) else "",
        permutations=len(drawn),
        undefined_permutations=max(len(gaps) - 1, 0) - len(drawn),
        undefined=tuple(group.name for group in groups if isnan(group.score.value)),
        unlabelled=clips - sum(len(rows) for rows in rows_of.values()),
    )


def age_bands(ages: Sequence[Any] | NDArray[Any]) -> list[str | None]:
    """Decades: 25.5 years is ``20-29``; None or NaN is None.

    Raises:
        BadData: an age is below 0, infinite, or no number.
    """
    bands: list[str | None] = []
    bad = 0
    for age in ages:
        if age is None or age != age:  # noqa: PLR0124 - NaN
            bands.append(None)
        elif isinstance(age, (int, float, np.number)) and 0 <= age < float("inf"):
            low = floor(age / DECADE) * DECADE
            bands.append(f"{low}-{low + DECADE - 1}")
        else:
            bad += 1
    if bad:
        raise BadData(
            f"{bad:,} of {len(ages):,} ages are no number of years; expected 0 or more, None or "
            "NaN where unknown."
        )
    return bands


def _rows_of_groups(labels: Sequence[Any] | NDArray[Any]) -> dict[str, NDArray[np.intp]]:
    """The clips of each known group, by name in order."""
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label is not None and label == label:  # noqa: PLR0124 - NaN
            rows.setdefault(str(label), []).append(row)
    return {name: np.array(rows[name]) for name in sorted(rows)}


def _ranked(metric: Metric, groups: Sequence[Group]) -> list[Group]:
    """The groups with a value, the best first."""
    sign = 1 if metric.high > metric.low else -1
    defined = [group for group in groups if not isnan(group.score.value)]
    return sorted(defined, key=lambda group: -sign * group.score.value)


def _chance(
    metric: Metric,
    truth: Any,
    seeds: Sequence[Any],
    outputs: Any,
    rows: Sequence[NDArray[np.intp]],
    units: Sequence[Any] | NDArray[Any],
) -> Chance | None:
    """The clips of groups, to be permuted; None for a single group, or where a unit is unknown."""
    if len(rows) < 2:
        return None
    clips = np.concatenate(rows)
    found = grouped([units[i] for i in clips])
    if not found.count:
        return None
    return Chance(
        metric=metric,
        truth=of_clips(truth, clips),
        seeds=[of_clips(one, clips) for one in seeds],
        outputs=outputs,
        label=np.repeat(np.arange(len(rows)), [len(each) for each in rows]),
        unit=found.index,
    )


def _share_as_large(found: Floats, drawn: Floats) -> float:
    """How likely a gap as the one that was found is, by those of the permutations [P]."""
    hits = (drawn >= found * (1 - ROUNDING)).sum()
    return float((1 + hits) / (1 + len(drawn)))

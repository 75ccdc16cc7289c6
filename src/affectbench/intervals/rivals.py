"""Rivals of a system, made from its own predictions: as good, erring elsewhere; then better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectbench.intervals.draws import Groups
from affectbench.types import Floats, Metric


@dataclass(frozen=True, slots=True)
class Rival:
    """A system that errs like the one it was made from, with errors of its own in some groups."""

    metric: Metric
    truth: Any
    own: Sequence[Any]  # [R] predictions of the system
    other: Sequence[Any]  # [R] the same with the errors of other groups
    group_turn: Floats  # [N] in 0..1, one value a group: groups keep the system's errors in turn
    clip_turn: Floats  # [N] in 0..1: the classes of clips are put right in turn

    def predictions(self, kept: float, better: float) -> list[Any]:
        """Predictions of the rival, one a seed.

        Args:
            kept: share of the groups with the errors of the system.
            better: 0: as good as the system, 1: without errors. That share of the wrong classes
                is put right, and numbers come that much nearer to the truth.
        """
        same = self.group_turn < kept
        mixed = [_mixed(same, *pair) for pair in zip(self.own, self.other, strict=True)]
        return [_better(self.metric, self.truth, one, better, self.clip_turn) for one in mixed]


def make_rival(
    metric: Metric, truth: Any, seeds: Sequence[Any], groups: Groups, rng: np.random.Generator
) -> Rival:
    """A rival in which every group has the errors of one other group.

    The error of a class is what another clip of that class was taken for; where the other group has
    no clip of the class, a clip of any group. The error of a number is how far it lies from the
    straight line that the system's predictions follow over the truth: so the mean, the spread and
    the correlation of the predictions stay. All outputs of a clip come from one other clip.

    Args:
        metric: tells classes from numbers.
        truth: as the metric takes it.
        seeds: predictions of the system, one a seed; all of them borrow from the same clips.
        groups: two or more.
        rng: what draws.
    """
    order = rng.permutation(groups.count)
    giver = np.empty_like(order)
    giver[order] = np.roll(order, 1)  # no group is its own
    return Rival(
        metric=metric,
        truth=truth,
        own=seeds,
        other=_borrowing(metric, truth, seeds, groups.index, giver[groups.index], rng),
        group_turn=rng.random(groups.count)[groups.index],
        clip_turn=rng.random(len(groups.index)),
    )


def _borrowing(
    metric: Metric,
    truth: Any,
    seeds: Sequence[Any],
    group: NDArray[np.intp],
    giver: NDArray[np.intp],
    rng: np.random.Generator,
) -> list[Any]:
    """Predictions with the errors of clips of the giving group [N], one a seed."""
    if metric.kind == "composite":
        parts = [
            _borrowing(part, truth[k], [one[k] for one in seeds], group, giver, rng)
            for k, part in enumerate(metric.parts)
        ]
        return list(zip(*parts, strict=True))
    if metric.kind == "classification":
        everything = np.ones(len(truth), dtype=bool)
        clips = _clips_of(giver, group, truth.astype(np.intp), everything, rng)
        return [one[clips] for one in seeds]
    known = ~np.any([np.isnan(truth), *(np.isnan(one) for one in seeds)], axis=(0, 2))
    clips = _clips_of(giver, group, np.zeros(len(truth), dtype=np.intp), known, rng)
    return [_with_error_of(truth, one, clips, known) for one in seeds]


def _clips_of(
    giver: NDArray[np.intp],
    group: NDArray[np.intp],
    kind: NDArray[np.intp],
    known: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """For each clip a random known one of the giving group and of its own kind, [N].

    Where that group has none it is one of any group; a clip that is not known gives to itself.
    """
    kinds = int(kind.max(initial=0)) + 1
    near = _drawn_from(giver * kinds + kind, group * kinds + kind, known, rng)
    anywhere = _drawn_from(kind, kind, known, rng)
    return np.where(known, np.where(near >= 0, near, anywhere), np.arange(len(group)))


def _drawn_from(
    wanted: NDArray[np.intp],
    cell: NDArray[np.intp],
    known: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """For each wanted cell [N] a random known clip whose cell it is, -1 where there is none."""
    clips = np.flatnonzero(known)
    clips = np.append(clips[np.argsort(cell[clips], kind="stable")], -1)
    sizes = np.bincount(cell[known], minlength=max(cell.max(), wanted.max()) + 1)
    starts = np.cumsum(sizes) - sizes
    place = starts[wanted] + np.floor(rng.random(len(wanted)) * sizes[wanted]).astype(np.intp)
    return np.where(sizes[wanted] > 0, clips[place], -1)


def _with_error_of(
    truth: Floats, prediction: Floats, clips: NDArray[np.intp], known: NDArray[np.bool_]
) -> Floats:
    """Each clip on the line of predictions over truth, with the distance of another clip to it."""
    x, y = truth[known], prediction[known]
    if not len(x):
        return prediction
    centred = x - x.mean(axis=0)
    spread = (centred**2).sum(axis=0)
    slope = (centred * y).sum(axis=0) / np.where(spread > 0, spread, 1)
    line = y.mean(axis=0) + (truth - x.mean(axis=0)) * slope
    return np.asarray(np.where(known[:, None], line + (prediction - line)[clips], prediction))


def _mixed(same: NDArray[np.bool_], own: Any, other: Any) -> Any:
    """The system's own predictions where ``same`` [N], the other ones elsewhere."""
    if isinstance(own, tuple):
        return tuple(_mixed(same, *pair) for pair in zip(own, other, strict=True))
    return np.where(same.reshape(-1, *[1] * (own.ndim - 1)), own, other)


def _better(metric: Metric, truth: Any, prediction: Any, better: float, turn: Floats) -> Any:
    """One prediction, a share of the way to the truth."""
    if metric.kind == "composite":
        each = zip(metric.parts, truth, prediction, strict=True)
        return tuple(_better(part, x, y, better, turn) for part, x, y in each)
    if metric.kind == "classification":
        return np.where(turn < better, truth, prediction)
    return np.where(np.isnan(truth), prediction, prediction + better * (truth - prediction))
